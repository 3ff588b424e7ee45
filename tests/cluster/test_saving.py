"""A worker's checkpoints: their checksum, and disks without room."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from tid_tune.cluster import saving
from tid_tune.cluster.messages import WorkOrder
from tid_tune.cluster.trainable import describe
from tid_tune.errors import TrialError
from tid_tune.ledger.decisions import Cause
from tid_tune.searchfile.model import Interval


class Writer:
    """A trial that writes a checkpoint, unless its disk is full."""

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)

    def save(self, path: Path) -> None:
        if self.errors:
            raise OSError(self.errors.pop(), "No space left on device")
        path.write_bytes(b"weights")


def saved(path: Path, writer: Any) -> str:
    return saving.save(path, writer, last=False)


def order(path: Path | None, digest: str) -> WorkOrder:
    return WorkOrder(
        trial="t0001",
        segment=1,
        config=Path("config.py"),
        edits={},
        seed=0,
        epochs=3,
        report_every=Interval(),
        work_dir=Path("t0001"),
        root=Path.cwd(),
        checkpoint=path,
        digest=digest,
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (flip, "checksum"),
        (lambda path: path.write_bytes(b""), "0 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:4]), "4 bytes"),
        (Path.unlink, "not there any more"),
    ],
    ids=["flipped", "empty", "torn", "gone"],
)
def test_a_damaged_checkpoint_is_found_before_anything_is_trained(
    harm: Any, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "epoch_1_step_1.pth"
    digest = saved(path, Writer())
    saving.check(order(path, digest))
    saving.check(order(path, ""))  # of an earlier version's ledger
    saving.check(order(None, ""))
    harm(path)
    with pytest.raises(TrialError, match=said) as caught:
        saving.check(order(path, digest))
    assert describe(caught.value).cause is Cause.DAMAGED


def test_a_full_disk_is_tried_again_and_then_reported_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "ROOM_SECONDS", 0)
    path = tmp_path / "c.pth"
    assert saved(path, Writer(errno.ENOSPC)), "there was room at last"
    with pytest.raises(TrialError, match=r"c\.pth.*Free some space.*same command") as caught:
        saved(path, Writer(errno.EDQUOT, errno.ENOSPC))
    assert describe(caught.value).cause is Cause.STORAGE
    with pytest.raises(OSError, match="No space"):
        saved(path, Writer(errno.EIO))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/logs/a"), Cause.STORAGE),
        (MemoryError(), Cause.OOM),
        (RuntimeError("[enforce] DefaultCPUAllocator: can't allocate memory: 9"), Cause.OOM),
        (RuntimeError("another"), Cause.CRASH),
    ],
)
def test_full_disks_and_full_memory_are_told_from_mistakes(error: Exception, cause: Cause) -> None:
    assert describe(error).cause is cause
