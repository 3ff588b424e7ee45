"""What becomes of a search when a worker fails, in every way that it can."""

from __future__ import annotations

import pytest
from faults.scene import Row, Scene

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status

pytestmark = pytest.mark.slow


GONE = {
    "killed": "killed without a word",
    "crashed": "crashed: Segmentation fault",
    "hangs": "no progress for 3 s (failures.stall_minutes)",
    "torn checkpoint": "is damaged",
    "empty checkpoint": "is damaged",
    "flipped bit": "is damaged",
}


def test_workers_that_are_gone_cost_no_reported_epoch(scene: Scene, rows: list[Row]) -> None:
    """One search, in which each trial meets another fault; the last one a value that is none."""
    kinds = [*GONE, "nan"]
    for number, kind in enumerate(kinds, start=1):
        scene.ask(kind, f"t{number:04d}")
    code, output = scene.place.run("--set", f"trials={len(kinds)}")
    assert code == 0, output
    assert "Traceback" not in output
    state = scene.place.state()
    *gone, wrong = state.trials.values()
    assert (wrong.status, wrong.cause, wrong.segment) == (Status.FAILED, Cause.NAN, 0)
    rows.append(scene.row("a value that is not finite", "nan at epoch 4", kind="nan"))
    for trial, (kind, seen) in zip(gone, GONE.items(), strict=True):
        row = scene.row(kind, seen, kind=kind)
        rows.append(row)
        assert (trial.status, trial.losses) == (Status.COMPLETED, 1)
        assert trial.node
        assert row.seen, scene.reasons(trial.id)
        assert row.lost == 0
        assert row.repeated == (1 if "damaged" in seen else 0)
        assert row.seconds is not None
        if kind in ("crashed", "hangs"):
            log = scene.place.ledger.parent / "trials" / trial.id / "trial.log"
            assert "faulty.py" in log.read_text(), "the stack of where it was"


def test_a_worker_that_is_lost_too_often_fails_its_trial_alone(scene: Scene) -> None:
    scene.ask("killed")
    code, output = scene.place.run("--set", "failures.retries=0")
    assert code == 0, output
    state = scene.place.state()
    assert (state.trials["t0002"].status, state.trials["t0002"].cause) == (
        Status.FAILED,
        Cause.LOST,
    )
    assert len([t for t in state.trials.values() if t.status is Status.COMPLETED]) == 2


def test_a_full_disk_ends_the_search_and_with_room_it_goes_on(
    scene: Scene, rows: list[Row]
) -> None:
    scene.ask("full disk")
    code, output = scene.place.run()
    assert code == 1, output
    assert "No space left on device" in output
    assert "run the same command again" in " ".join(output.split())
    assert "Traceback" not in output
    assert scene.place.state().trials["t0002"].status is Status.INTERRUPTED
    code, _ = scene.place.run()
    assert code == 0
    assert all(t.status is Status.COMPLETED for t in scene.place.state().trials.values())
    row = scene.row("disk full at a checkpoint", "No space left", output, "full disk")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_the_members_of_a_pack_that_hangs_all_go_on(scene: Scene, rows: list[Row]) -> None:
    scene.ask("hangs")
    code, output = scene.place.run("--set", "resources.students=3")
    assert code == 0, output
    state = scene.place.state()
    assert all(t.status is Status.COMPLETED and t.losses == 1 for t in state.trials.values())
    row = scene.row("a pack hangs", "no progress for 3 s", kind="hangs")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)
