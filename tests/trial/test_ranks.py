"""Several ranks train what one process trains with the same whole batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.rank_runs import run_ranks
from support.rank_trials import lose, run_trial, train_distiller
from support.trial_runs import ACCUMULATE, CLIP, EMA, evaluation, make

from tid_tune.distill.cache import store
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import read_counts
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.openmmlab.data_parallel import add_up
from tid_tune.trial.rendezvous import LOOPBACK, interface_of, listen

SLACK = 2e-6
"""Of weights: what another order of additions in float32 may change."""
CASES = {
    "gfl": ["tid", "ld", "mimic"],
    "atss": ["crosskd", "frs"],
    "retinanet": ["fgd", "none"],
    "fcos": ["pkd", "defeat"],
}
BATCH = "train_dataloader.batch_size"
DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(method='tid', loss_weight=2.0, warmup_iters=2))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
FROZEN = {"model.student.backbone.norm_eval": True}


def train_all(kinds: dict[str, list[str]]) -> dict[tuple[str, str], Any]:
    """The weights and logged values of each kind of head and method."""
    return {
        (kind, method): train_distiller(kind, method)
        for kind, methods in kinds.items()
        for method in methods
    }


@pytest.mark.parametrize("ranks", [2, 3])
def test_all_methods_and_heads_train_the_same_on_several_ranks(ranks: int) -> None:
    expected = train_all(CASES)
    answers = run_ranks(ranks, train_all, CASES)
    for case, (weights, logged) in expected.items():
        for answer in answers:
            found, values = answer[case]
            for name, weight in weights.items():
                torch.testing.assert_close(
                    found[name], weight, atol=SLACK, rtol=1e-4, msg=str(case)
                )
            for step, ours in zip(logged, values, strict=True):
                assert ours == pytest.approx(step, rel=1e-4, abs=1e-6), case


@pytest.fixture
def distilled(shapes_config: Callable[..., Path], tmp_path: Path) -> Callable[[str], Path]:
    """Write the config of a student, whose teacher was trained for one epoch."""
    with make(shapes_config(name="teacher.py", width=8), tmp_path, epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "teacher.pth")
    return lambda more: shapes_config(DISTILLER.format(folder=tmp_path) + more, flip=0.5)


def same_training(
    found: tuple[Any, ...], reports: list[Any], weights: dict[str, torch.Tensor]
) -> None:
    """Check a rank's weights and reports against those of one process."""
    for name, weight in weights.items():
        torch.testing.assert_close(found[1][name], weight, atol=1e-5, rtol=1e-3, msg=name)
    for ours, theirs in zip(found[0], reports, strict=True):
        assert (ours.step, ours.epoch, ours.images) == (theirs.step, theirs.epoch, theirs.images)
        assert evaluation(ours) == pytest.approx(evaluation(theirs), abs=1e-4)
        assert ours.metrics.keys() == theirs.metrics.keys()
        names = {"train/loss", "train/loss_distill_key", "train/lr", "train/grad_norm"}
        for name in names & ours.metrics.keys():
            assert ours.metrics[name] == pytest.approx(theirs.metrics[name], rel=1e-3), name


@pytest.mark.parametrize(("ranks", "batch"), [(2, 2), (3, 3)])
def test_a_trial_of_several_ranks_equals_one_with_the_same_whole_batch(
    distilled: Callable[[str], Path], tmp_path: Path, ranks: int, batch: int
) -> None:
    """The ten images make a last batch of two images, and of one for three ranks."""
    config = str(distilled(EMA + CLIP))
    reports, weights, _ = run_trial(config, str(tmp_path / "one"), FROZEN | {BATCH: ranks * batch})
    answers = run_ranks(ranks, run_trial, config, str(tmp_path / "r"), FROZEN | {BATCH: batch})
    for answer in answers:
        same_training(answer, reports, weights)
    first = [evaluation(report) for report in answers[0][0]]
    assert all([evaluation(report) for report in answer[0]] == first for answer in answers)


@pytest.mark.parametrize("kept", ["full", "sparse"])
def test_ranks_share_a_cache_of_the_teachers_work(
    distilled: Callable[[str], Path], tmp_path: Path, kept: str
) -> None:
    """At a step, one rank may find all of its images there, and the other one none."""
    config, place = str(distilled("")), tmp_path / "cache"
    cache = {"gib": 1, "precision": "float32", "store": kept}
    alone = {"model.teacher.cache": {**cache, "dir": str(tmp_path / "another")}}
    reports, weights, _ = train_cached(config, str(tmp_path / "one"), FROZEN | {BATCH: 4} | alone)
    edits = FROZEN | {BATCH: 2, "model.teacher.cache": {**cache, "dir": str(place)}}
    counts = []
    for name in ("empty", "filled"):
        for answer in run_ranks(2, train_cached, config, str(tmp_path / name), edits):
            same_training(answer, reports, weights)
        (folder,) = CacheFolder.all_in(place)
        counts.append(read_counts(folder))
    (entries, hits, misses), (later, again, missed) = counts
    assert hits + misses == 2 * 10
    assert 10 <= entries <= misses
    assert (later, again, missed) == (entries, hits + 20, misses), "all were there"


def train_cached(config: str, folder: str, edits: dict[str, Any]) -> Any:
    found = run_trial(config, folder, edits)
    for one in list(store._OPEN.values()):
        one.close()  # as at the end of a process, which a rank of these tests does not have
    return found


@pytest.mark.parametrize("later", [1, 3])
def test_a_trial_goes_on_with_another_number_of_ranks(
    distilled: Callable[[str], Path], tmp_path: Path, later: int
) -> None:
    """It stops amid an accumulation of gradients: of three batches of six, one is added up."""
    config, folder = str(distilled(ACCUMULATE)), tmp_path / "two"
    whole = FROZEN | {BATCH: 6}
    reports, weights, _ = run_trial(config, str(tmp_path / "one"), whole, every=1)
    edits = FROZEN | {BATCH: 3}
    run_ranks(2, train_first, config, str(folder), edits)
    saved: Any = load_state(folder / "checkpoint.pth")
    assert len(saved["trial"]["random"]) == 2
    assert saved["trial"]["gradients"]
    arguments = config, str(tmp_path / "later"), FROZEN | {BATCH: 6 // later}
    answers = run_ranks(later, go_on, str(folder / "checkpoint.pth"), *arguments)
    assert len(answers[0][0]) == len(reports) - 1
    for answer in answers:
        same_training(answer, reports[1:], weights)


def train_first(config: str, folder: str, edits: dict[str, Any]) -> Any:
    return run_trial(config, folder, edits, every=1, until=1)


def go_on(checkpoint: str, config: str, folder: str, edits: dict[str, Any]) -> Any:
    return run_trial(config, folder, edits, every=1, restore_from=checkpoint)


def test_ranks_draw_differently_and_go_on_with_their_own_random_state(
    distilled: Callable[[str], Path], tmp_path: Path
) -> None:
    config, folder = str(distilled("")), str(tmp_path / "two")
    first, second = run_ranks(2, train_first, config, folder, FROZEN)
    states = [state["torch"] for state in first[2]]
    assert not torch.equal(*states)
    saved: Any = load_state(Path(folder) / "checkpoint.pth")
    for state, kept in zip(second[2], saved["trial"]["random"], strict=True):
        assert torch.equal(state["torch"], kept["torch"])


def test_all_ranks_evaluate_the_mean_of_their_batch_norms_statistics(
    distilled: Callable[[str], Path], tmp_path: Path
) -> None:
    first, second = run_ranks(2, train_first, str(distilled(EMA)), str(tmp_path / "two"), {})
    names = [name for name in first[1] if name.endswith("running_mean")]
    assert names
    assert all(torch.equal(first[1][name], second[1][name]) for name in names)
    assert evaluation(first[0][0]) == evaluation(second[0][0])


def test_a_head_whose_losses_may_not_add_up_is_refused() -> None:
    detector: Any = torch.nn.Module()
    detector.bbox_head = type("PAAHead", (torch.nn.Module,), {})()
    with pytest.raises(ConfigError, match=r"resources\.ranks: the losses of PAAHead .* GFLHead"):
        add_up(detector)


@pytest.mark.parametrize(("how", "least"), [("leaves", 0.0), ("ends", 0.0), ("is stopped", 2.0)])
def test_a_rank_that_leaves_ends_or_hangs_does_not_keep_the_others_waiting(
    how: str, least: float
) -> None:
    """One that hangs is waited for as long as was agreed, here three seconds."""
    answers = run_ranks(3, lose, how, patience=3.0)
    for seconds, about_others in (answers[0], answers[2]):
        assert about_others
        assert least <= seconds < 8.0


def test_ranks_on_one_node_listen_on_loopback_only() -> None:
    with listen(LOOPBACK) as listener:
        assert listener.getsockname()[0] == LOOPBACK
    assert interface_of(LOOPBACK).startswith("lo")
    assert interface_of("192.0.2.1") == ""
