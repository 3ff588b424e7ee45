"""The dispatcher between the engine and Tune, without Ray's processes."""

from __future__ import annotations

from pathlib import Path

from support.search_cases import scheduler_of
from support.toy import OBJECTIVE

from tid_tune.cluster.dispatch import Dispatcher
from tid_tune.ledger.file import Ledger
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import Uniform


def test_old_checkpoints_are_deleted_before_a_trial_writes_new_ones_of_the_same_name(
    tmp_path: Path,
) -> None:
    spec = SearchSpec(
        name="toy",
        trial=tmp_path / "config.py",
        epochs=3,
        trials=1,
        baseline=False,
        space={"optim_wrapper.optimizer.lr": Uniform(low=0, high=1)},
        scheduler=scheduler_of(fidelity="data"),
    )
    ledger = Ledger.in_memory()
    search = Search.open(spec, ledger)
    work = search.next()
    assert isinstance(work, Assignment)
    names = [f"trials/{work.trial}/step_{step}.pth" for step in (1, 2, 3)]
    for step, name in enumerate(names, start=1):
        search.report(work.trial, step, step, {OBJECTIVE: 0.5}, 1.0, 8, name)
    anew = search.next()
    assert isinstance(anew, Assignment)
    assert (anew.trial, anew.step) == (work.trial, 0)
    (tmp_path / "trials" / work.trial).mkdir(parents=True)
    for name in names:
        (tmp_path / name).touch()
    Dispatcher(spec, Search.open(spec, ledger), RunFolder(tmp_path), tmp_path, lambda: 1)
    assert [(tmp_path / name).exists() for name in names] == [False, False, True]
