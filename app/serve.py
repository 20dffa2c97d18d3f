"""Start the studio on this machine: one data folder, one port, one process that owns both."""

import socket
import sys
from pathlib import Path

from app import main
from app.security import LOOPBACK
from app.studio import Studio
from gem_backend.engine import EngineConfig
from gem_backend.errors import ConfigError


def serve(
    data_dir: Path, engine: EngineConfig, port: int | None = None, open_browser: bool = True
) -> int:
    """Open the data folder, serve the studio until it is stopped, and return the exit code.

    Raises:
        ConfigError: the port is taken.
        ModelLoadError: there is no such model folder.
        StorageError: the data folder is in use or cannot be opened.
    """
    if port is not None:
        _check_port(port)
    studio = Studio(
        data_dir,
        engine.model,
        device=engine.device,
        trust_remote_code=engine.trust_remote_code,
        sentence_model=engine.sentence_model,
    )
    with studio:
        blocked = [data_dir] + ([Path(engine.model)] if Path(engine.model).is_dir() else [])
        app = main.serve(studio, port=port, blocked=blocked, open_browser=open_browser, wait=False)
        sys.stdout.write(f"GEM Studio is open at {app.local_url} (Ctrl-C closes it).\n")
        sys.stdout.flush()
        studio.warm_up()
        app.block_thread()
    return 0


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise ConfigError(
                f"Port {port} is in use by another program; choose another with --port.",
                "Port in use",
            ) from error
