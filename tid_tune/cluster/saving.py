"""A worker's checkpoints: written with a checksum, and checked before anything is trained from one.

Where the run folder is in a store, a worker fetches what its order names, and brings what it writes
before it reports. The checksum travels with the report and stands in the ledger, so that a file
that is torn, empty or changed is found whatever a trainable writes.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from tid_tune import stalls
from tid_tune.cluster.messages import WorkOrder
from tid_tune.cluster.stepping import SavesWeights, SteppedTrial
from tid_tune.errors import TrialError
from tid_tune.files import digest, is_full
from tid_tune.ledger.decisions import Cause
from tid_tune.storage.objects import StoreError
from tid_tune.storage.stored import worker_files
from tid_tune.trial.report import AREAS_FILE, LOG_FILE

CHECKPOINTS = "*epoch_*_step_*.pth"
"""Matches the names of checkpoints, and of their unfinished files."""
ROOM_SECONDS = 5.0
"""After so long, a full disk is tried once more: the driver deletes what is not needed."""


def located(order: WorkOrder) -> WorkOrder:
    """Return an order with the paths of this machine; what it goes on from is fetched.

    Raises:
        StoreError: the store of the run folder does not answer.
    """
    files, folder = worker_files(order.run), order.work_dir
    (files.local / folder).mkdir(parents=True, exist_ok=True)
    # Another rank may be here, and read it already.
    files.forget(str(folder), CHECKPOINTS, but=str(order.checkpoint or ""))
    paths = {"work_dir": files.local / folder}
    files.fetch_longer(f"{folder}/{LOG_FILE}")
    if order.areas:
        files.fetch(f"{folder}/{AREAS_FILE}")
    if order.checkpoint is not None:
        files.fetch(str(order.checkpoint), order.digest)
        paths["checkpoint"] = files.local / order.checkpoint
    return order.model_copy(update=paths)


def bring(order: WorkOrder, name: str) -> None:
    """Bring a checkpoint to where the run folder is, with the trial's log.

    Args:
        order: as the driver sent it.
        name: of the checkpoint in the run folder. Here, it is the only one that stays.

    Raises:
        StoreError: the store of the run folder does not answer.
    """
    files = worker_files(order.run)
    files.keep(name)
    files.keep(f"{order.work_dir}/{LOG_FILE}")
    files.keep(f"{order.work_dir}/{AREAS_FILE}")
    files.forget(str(order.work_dir), CHECKPOINTS, but=name)


def take_leave(order: WorkOrder) -> None:
    """Bring the log of a trial that leaves this worker; its checkpoints stay in the store alone."""
    with contextlib.suppress(StoreError):
        worker_files(order.run).keep(f"{order.work_dir}/{LOG_FILE}", patiently=False)
    free(order)


def free(order: WorkOrder) -> None:
    """Delete what a store has too: the trial's checkpoints here, and the one that it began from."""
    files = worker_files(order.run)
    files.forget(str(order.work_dir), CHECKPOINTS)
    if order.checkpoint is not None:
        files.forget(str(order.checkpoint.parent), order.checkpoint.name)


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
            stalls.rest()
            time.sleep(ROOM_SECONDS)
            stalls.progress()
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
