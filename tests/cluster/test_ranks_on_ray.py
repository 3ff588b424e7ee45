"""Trials of two ranks on Ray: they add up, and one that dies or fails takes no other along."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.toy import OBJECTIVE
from support.workplace import Workplace

from tid_tune.ledger.events import Ended
from tid_tune.ledger.file import read_events
from tid_tune.ledger.records import Status

TRAINABLE = Path(__file__).parents[1] / "support" / "toy_ranks.py"
LR = "optim_wrapper.optimizer.lr"


def test_a_rank_that_dies_is_retried_from_the_checkpoint_and_one_that_fails_is_not(
    workplace: Workplace,
) -> None:
    """With two CPUs a worker holds all of them, so that what is not freed would stop the search."""
    options = {
        "trainable": f"{TRAINABLE}:RankTrainable",
        "resources": "{cpus: 1, ranks: 2}",
        "space": f"{{{LR}: {{choice: [0.5, 0.6, 0.1]}}}}",
        "sampler": "grid",
        "scheduler": "none",
        "baseline": "false",
        "trials": "3",
    }
    code, output = workplace.run(
        *(part for key, value in options.items() for part in ("--set", f"{key}={value}"))
    )
    assert code == 0, output
    trials = {trial.edits[LR]: trial for trial in workplace.state().trials.values()}
    for name in (0.5, 0.1):
        trial = trials[name]
        assert trial.status is Status.COMPLETED
        values = [report.metrics[OBJECTIVE] for report in trial.reports]
        assert values == pytest.approx([0.02, 0.04, 0.06])
    ended = [e for e in read_events(workplace.ledger) if isinstance(e, Ended)]
    (first, _) = [e.reason for e in ended if e.trial == trials[0.5].id]
    assert first.startswith("rank 1 on ")
    folder = workplace.root / "runs" / "toy" / "trials" / trials[0.5].id
    # Nothing of the first epoch is repeated: the checkpoint after it was gone on from.
    assert (folder / "rank1.txt").read_text().split() == ["1", "2", "3"]
    failed = trials[0.6]
    assert failed.status is Status.FAILED
    assert "rank 1 diverged" in output
