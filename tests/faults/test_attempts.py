"""What becomes of a trial when its worker fails, in every way that it can."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.scene import Row, Scene

from tid_tune.ledger.decisions import Cause
from tid_tune.ledger.records import Status

pytestmark = pytest.mark.slow
RANKS = Path(__file__).parents[1] / "support" / "toy_ranks.py"
LR = "optim_wrapper.optimizer.lr"

GONE = {
    "killed": ("a worker is killed (SIGKILL)", "killed without a word"),
    "crashed": ("a worker crashes", "the worker crashed: Segmentation fault"),
    "hangs": ("a step never returns", "no progress for 3 s (failures.stall_minutes)"),
    "stopped": ("a worker is stopped (SIGSTOP)", "was stopped as a whole (SIGSTOP)"),
    "torn checkpoint": ("the last checkpoint is torn", "is damaged: its checksum is"),
    "empty checkpoint": ("the last checkpoint is empty", "is damaged: its checksum is"),
    "flipped bit": ("one bit of the last checkpoint is flipped", "is damaged: its checksum is"),
}
"""How the table calls what a trainable does to its trial, and what `tid-tune show` says of it."""


def test_workers_that_are_gone_cost_no_reported_epoch(scene: Scene, rows: list[Row]) -> None:
    """One search, in which each trial meets another fault, two of them for good."""
    kinds = [*GONE, "killed always", "nan"]
    for number, kind in enumerate(kinds, start=1):
        scene.ask(kind, f"t{number:04d}")
    code, output = scene.place.run("--set", f"trials={len(kinds)}", "--set", "failures.retries=1")
    assert code == 0, output
    assert "Traceback" not in output
    assert "(raylet)" not in output
    *gone, always, wrong = scene.place.state().trials.values()
    for trial, (kind, (fault, quote)) in zip(gone, GONE.items(), strict=True):
        assert scene.happened(kind) == trial.id
        row = scene.row(fault, quote, trial=trial.id)
        rows.append(row)
        assert (trial.status, trial.losses) == (Status.COMPLETED, 1)
        assert trial.node
        assert (row.lost, row.repeated) == (0, 1 if "damaged" in quote else 0)
        assert row.seconds is not None
        if kind in ("crashed", "hangs"):
            log = scene.place.ledger.parent / "trials" / trial.id / "trial.log"
            assert "faulty.py" in log.read_text(), "the stack of where it was"
    scene.happened("killed always")
    often = "a worker is killed more often than `failures.retries`"
    what = "the trial has failed, the others go on: "
    rows.append(scene.row(often, "killed without a word", what, always.id))
    assert (always.status, always.cause) == (Status.FAILED, Cause.LOST)
    assert len(scene.reasons(always.id)) == 2
    scene.happened("nan")
    row = scene.row("a value that is not finite", "nan at epoch 4", trial=wrong.id)
    rows.append(row)
    assert (wrong.status, wrong.cause, wrong.segment) == (Status.FAILED, Cause.NAN, 0)
    assert row.lost == 0


def test_the_members_of_a_pack_that_hangs_all_go_on(scene: Scene, rows: list[Row]) -> None:
    scene.ask("hangs")
    code, output = scene.place.run("--set", "resources.students=2", "--set", "trials=2")
    assert code == 0, output
    state = scene.place.state()
    assert all(t.status is Status.COMPLETED and t.losses == 1 for t in state.trials.values())
    scene.happened("hangs")
    row = scene.row("a step of two trials in one worker never returns", "no progress for 3 s")
    rows.append(row)
    assert (row.lost, row.repeated) == (0, 0)


def test_a_rank_that_is_killed_or_hangs_ends_an_attempt(scene: Scene, rows: list[Row]) -> None:
    """The two ranks of a trial are on two nodes."""
    options = {
        "trainable": f"{RANKS}:RankTrainable",
        "resources": "{cpus: 1, ranks: 2, spread: any}",
        "space": f"{{{LR}: {{choice: [0.7, 0.8]}}}}",
        "sampler": "grid",
        "trials": "2",
        "epochs": "3",
        "failures.stall_minutes": "0.1",
    }
    words = (part for key, value in options.items() for part in ("--set", f"{key}={value}"))
    code, output = scene.place.run(*words)
    assert code == 0, output
    trials = {trial.edits[LR]: trial for trial in scene.place.state().trials.values()}
    for value, kind, fault, quote in (
        (0.7, "rank killed", "a rank is killed (SIGKILL)", "its process was killed"),
        (0.8, "rank hangs", "a rank hangs, and the other waits for it", "rank 1 was ended"),
    ):
        trial = trials[value]
        assert scene.happened(kind) == trial.id
        row = scene.row(fault, quote, trial=trial.id)
        rows.append(row)
        assert (trial.status, trial.losses) == (Status.COMPLETED, 1)
        assert (row.lost, row.repeated) == (0, 0)
    log = scene.place.ledger.parent / "trials" / trials[0.8].id / "trial.log"
    assert "toy_ranks.py" in log.read_text(), "the stack of where rank 1 was"
