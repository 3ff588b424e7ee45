"""A worker's checkpoints: written with a checksum, and checked before anything is trained from one.

The checksum travels with the report and stands in the ledger, so that a file that is torn, empty or
changed is found whatever a trainable writes.
"""

from __future__ import annotations

import time
from pathlib import Path

from tid_tune.cluster.messages import WorkOrder
from tid_tune.cluster.stepping import SavesWeights, SteppedTrial
from tid_tune.errors import TrialError
from tid_tune.files import digest, is_full
from tid_tune.ledger.decisions import Cause

ROOM_SECONDS = 5.0
"""After so long, a full disk is tried once more: the driver deletes what is not needed."""


def save(path: Path, trial: SteppedTrial, *, last: bool) -> str:
    """Write a trial's checkpoint and return the checksum of its content.

    Args:
        path: of the file.
        trial: which.
        last: nobody goes on from here; the optimizer can be left out.

    Raises:
        TrialError: kind `storage`: the disk is full.
    """
    write = trial.save_weights if last and isinstance(trial, SavesWeights) else trial.save
    try:
        try:
            write(path)
        except OSError as error:
            if not is_full(error):
                raise
            time.sleep(ROOM_SECONDS)
            write(path)
        return digest(path)
    except OSError as error:
        if not is_full(error):
            raise
        raise TrialError(no_room(error, path), Cause.STORAGE) from error


def no_room(error: OSError, path: Path) -> str:
    """Return what to say of a file that its disk has no room for."""
    return (
        f"{path}: {error.strerror}. Free some space there and run the same command again: the "
        "trial goes on from the checkpoint before, and nothing that was reported is lost."
    )


def check(order: WorkOrder) -> None:
    """Check that the checkpoint an order goes on from is the one that was written.

    Raises:
        TrialError: kind `damaged`.
    """
    path = order.checkpoint
    if path is None:
        return
    try:
        found = digest(path)
    except FileNotFoundError:
        problem = "is not there any more"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        if order.digest in ("", found):
            return
        size = path.stat().st_size
        problem = f"is damaged: its checksum is {found}, {order.digest} was written; {size} bytes"
    raise TrialError(f"the checkpoint {path} {problem}. The one before it is used.", Cause.DAMAGED)
