"""For a child process: to end when its parent ends, however that ended."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """From now on end this process, at once, when the one that started it is gone.

    A killed parent closes its pipes, but a child that is at work does not look at them.
    """
    threading.Thread(target=_wait, daemon=True).start()


def _wait() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
