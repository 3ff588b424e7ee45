"""tid-tune in a process that a fault happens to: `python harmed.py FAULT ARGUMENTS`."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import Any

FULL = Path("full")
"""As long as there is this file, the disk of the ledger is full."""


def slow_start() -> None:
    """Let Ray not start within its 30 s, once."""
    import ray

    init = ray.init

    def late(*arguments: Any, **options: Any) -> None:
        vars(ray)["init"] = init
        raise Exception("The current node timed out during startup. The machine may be busy.")

    vars(ray)["init"] = late


class SmallDisk(io.FileIO):
    def write(self, data: Any) -> int:
        if FULL.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


def full_disk() -> None:
    """Let the ledger find no room, while FULL is there."""
    from tid_tune.ledger import file

    repaired = file._open_repaired

    def open_repaired(path: Path) -> Any:
        repaired(path).close()
        return SmallDisk(path, "ab+")

    file._open_repaired = open_repaired


FAULTS = {"slow start": slow_start, "full disk": full_disk}

if __name__ == "__main__":
    from tid_tune.cli import main

    FAULTS[sys.argv.pop(1)]()
    main()
