"""A disk that is really full, at the ledger and at a checkpoint: a file system of one megabyte."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tid_tune.cluster import saving
from tid_tune.errors import TidTuneError, TrialError, UsageError
from tid_tune.files import digest
from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.events import Placed
from tid_tune.ledger.file import Ledger, read_events
from tid_tune.openmmlab.checkpoints import load_state, save_state


class SmallDisk:
    """A disk, and a file of somebody else's that takes all the room that there is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._other = folder / "other"

    def fill(self) -> None:
        with self._other.open("ab", buffering=0) as file:
            for size in (65536, 1):
                try:
                    while True:
                        file.write(b"0" * size)
                except OSError:
                    continue

    def free(self) -> None:
        self._other.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_ledger_without_room_keeps_what_it_has_and_goes_on_with_room(disk: SmallDisk) -> None:
    path = disk.folder / "run/ledger.jsonl"
    with Ledger.open(path) as ledger:
        ledger.append(Placed(trial="t0001", node="a"))
        disk.fill()
        with pytest.raises(TidTuneError, match="No space left on device"):
            ledger.append(Placed(trial="t0001", node="b" * 9999))  # more than its last page holds
    (kept,) = read_events(path)
    assert isinstance(kept, Placed)
    assert kept.node == "a"
    disk.free()
    with Ledger.open(path) as ledger:
        ledger.append(Placed(trial="t0001", node="c"))
    *_, last = read_events(path)
    assert isinstance(last, Placed)
    assert last.node == "c"
    disk.fill()
    with pytest.raises(UsageError, match="cannot write the ledger"):
        Ledger.open(disk.folder / "another/ledger.jsonl")


@pytest.mark.parametrize("room", [False, True], ids=["for good", "for a while"])
def test_a_checkpoint_without_room_leaves_the_one_before(
    room: bool, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"meta": {}, "state_dict": {"weight": torch.ones(50_000)}}
    trial = SimpleNamespace(save=lambda path: save_state(weights, path))
    first, second = disk.folder / "epoch_1_step_1.pth", disk.folder / "epoch_2_step_2.pth"
    checksum = saving.save(first, trial, last=False)
    disk.fill()
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        if room:  # the driver has deleted what nobody needs
            disk.free()

    monkeypatch.setattr("tid_tune.cluster.saving.time.sleep", wait)
    if room:
        assert saving.save(second, trial, last=False) == digest(second)
        assert load_state(second)["state_dict"]["weight"].sum() == 50_000
    else:
        with pytest.raises(TrialError, match="No space left on device") as failed:
            saving.save(second, trial, last=False)
        assert failed.value.kind == Cause.STORAGE
        assert not second.exists()
    assert waited == [saving.ROOM_SECONDS]
    assert digest(first) == checksum
    assert not list(disk.folder.glob("*.partial*")), "what was written of it is gone"
