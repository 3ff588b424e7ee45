"""What a worker reads of the driver's folder, so that it need not see that folder.

The config of the trials travels merged with its bases; with it the teacher's config, and modules of
the driver's folder that their `custom_imports` name. It travels with the trainable's class: Ray
sends that once to each worker.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tid_tune.cluster.messages import WorkOrder
from tid_tune.cluster.saving import located
from tid_tune.errors import TidTuneError
from tid_tune.files import replacing

CONFIG = "config.py"
"""The file that trials are built from."""


@dataclass(frozen=True)
class Parcel:
    """Files by their names in the worker's folder; see `CONFIG`."""

    files: tuple[tuple[str, bytes], ...]

    @cached_property
    def digest(self) -> str:
        """Of names and content: the name of the folder into which a worker writes them."""
        return hashlib.sha256(repr(self.files).encode()).hexdigest()[:16]

    def unpack(self) -> Path:
        """Write the files, unless they are there; let imports find them; return the config's path.

        Raises:
            TidTuneError: the folder for them belongs to another user.
        """
        folder = _own_folder() / self.digest
        if not folder.is_dir():
            try:
                with replacing(folder) as partial:
                    for name, content in self.files:
                        (partial / name).parent.mkdir(parents=True, exist_ok=True)
                        (partial / name).write_bytes(content)
            except OSError:
                if not folder.is_dir():  # else another worker of this node was faster
                    raise
        if str(folder) not in sys.path:
            sys.path.append(str(folder))
        return folder / CONFIG


def begin(order: WorkOrder, parcel: Parcel | None) -> WorkOrder:
    """Go to the folder of an order, make the trial's, and return the order as it is read here.

    A checkpoint to go on from is there, unless it is lost.

    Where this machine does not have the folder that the command was started in, the current folder
    is that of the parcel.
    """
    config = order.config if parcel is None else parcel.unpack()
    os.chdir(order.root if parcel is None or order.root.is_dir() else config.parent)
    return located(order).model_copy(update={"config": config})


def _own_folder() -> Path:
    """Return a folder of this user alone: code is read from it."""
    folder = Path(tempfile.gettempdir()) / f"tid-tune-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    if folder.is_symlink() or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise TidTuneError(
            f"{folder} can be written by other users, and configs are read from it; delete it, or "
            "set TMPDIR to a folder of your own before `ray start`"
        )
    return folder
