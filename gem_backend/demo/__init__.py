"""The embedded demo: a synthetic clinical-score world, its small model and its project.

Importing this package never imports torch. The model is synthetic and not for clinical use.
"""

from pathlib import Path

PROJECT_NAME = "Clinical scores (demo)"
MODEL_DIR: Path = Path(__file__).parent / "model"
PROJECT_FILE: Path = Path(__file__).parent / "project.jsonl"

__all__ = ["MODEL_DIR", "PROJECT_FILE", "PROJECT_NAME"]
