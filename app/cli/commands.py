"""What the commands of the command line have in common."""

import argparse
from collections.abc import Callable
from typing import TypeVar

Result = dict[str, object]
Say = Callable[[str], None]
Commands = argparse._SubParsersAction  # argparse gives the type of what it returns no public name
Parser = TypeVar("Parser", bound=argparse.ArgumentParser)
AddCommand = Callable[..., argparse.ArgumentParser]
"""Adds one with the options that all of them take."""
