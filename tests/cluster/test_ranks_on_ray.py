"""Trials of two ranks on Ray: they add up, and one that dies or fails takes no other along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.toy import OBJECTIVE
from support.trial_runs import evaluation, make
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


DISTILLER = """
model = dict(
    type='Distiller', student=_detector, distillation=dict(method='tid'),
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
DISTILLS = """
name: toy
trial: student.py
epochs: 2
trials: 2
seed: 1
baseline: false
space:
  model.distillation.loss_weight: {choice: [1.0, 3.0]}
  model.student.backbone.norm_eval: true  # else each rank has its own statistics
sampler: grid
scheduler: none
resources: {cpus: 1, ranks: 2}
tracking: {enabled: false}
"""


@pytest.mark.slow
def test_a_search_with_trials_of_two_ranks_finds_what_one_process_finds(
    workplace: Workplace, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    """Real trials: they are distilled, evaluated and saved."""
    with make(shapes_config(name="teacher.py", width=8), tmp_path, epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "teacher.pth")
    config = shapes_config(DISTILLER.format(folder=tmp_path), name="student.py", flip=0.5)
    (tmp_path / "space.yaml").write_text(DISTILLS)
    code, output = workplace.run()
    assert code == 0, output
    found = workplace.state().trials.values()
    assert len(found) == 2
    for ours in found:
        whole = {**ours.edits, "train_dataloader.batch_size": 4}
        with make(config, tmp_path / ours.id, whole, epochs=2, seed=ours.seed) as alone:
            for report in ours.reports:
                theirs = alone.step()
                assert report.step == theirs.step
                expected = evaluation(theirs)
                seen = {name: report.metrics[name] for name in expected}
                assert seen == pytest.approx(expected, abs=1e-4)
                loss = "train/loss"
                assert report.metrics[loss] == pytest.approx(theirs.metrics[loss], rel=1e-3)
    logs = workplace.root / "runs" / "toy" / "trials"
    assert len(list(logs.glob("t000?/trial.rank1.log"))) == 2
