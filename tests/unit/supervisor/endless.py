"""An agent that never comes back to its loop."""

from __future__ import annotations

import faulthandler
from pathlib import Path


def endless(_name: str, run_dir: str, *_: object) -> None:
    with Path(run_dir, "stack").open("w") as file:
        faulthandler.enable(file)
        Path(run_dir, "begun").touch()
        while True:
            pass
