"""Trials in a pack compute what each computes alone, whatever happens to the others."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trial_runs import trained

from tid_tune.errors import TidTuneError, TrialError
from tid_tune.openmmlab.models import prepares_alike
from tid_tune.openmmlab.named_objects import object_names
from tid_tune.searchfile.model import Interval as Every
from tid_tune.trial.pack import Interval, Pack
from tid_tune.trial.report import TrialReport
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(method='tid', loss_weight=2.0, warmup_iters=4))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
custom_hooks = [dict(type='EMAHook', momentum=0.1, update_buffers=True)]
"""
LR, METHOD = "optim_wrapper.optimizer.lr", "model.distillation.method"
EDITS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "alone": {METHOD: "none"},
    "mimic": {METHOD: "mimic", LR: 0.01},
}


@pytest.fixture
def distilled(shapes_config: Callable[..., Path], tmp_path: Path) -> Path:
    """The config of a student with averaged weights and a teacher trained for one epoch."""
    teacher = shapes_config(name="teacher.py", width=8)
    with make(teacher, tmp_path / "teacher", {}, epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "teacher.pth")
    return shapes_config(DISTILLER.format(folder=tmp_path), flip=0.5)


def make(
    config: Path, folder: Path, edits: dict[str, Any], *, epochs: int = 2, **options: Any
) -> Trial:
    return Trial(
        config,
        edits,
        seed=3,
        epochs=epochs,
        report_every=options.pop("every", Every(count=4, unit="iter")),
        work_dir=folder,
        device="cpu",
        **options,
    )


class Course:
    """What became of a trial: its reports, and its weights in the end."""

    def __init__(self) -> None:
        self.reports: list[dict[str, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    def take(self, trial: Trial, report: TrialReport) -> None:
        self.reports.append(trained(report))
        self.weights = {k: v.clone() for k, v in trial.model.state_dict().items()}

    def assert_same(self, other: Course) -> None:
        assert self.reports == other.reports
        assert self.weights.keys() == other.weights.keys()
        assert [k for k, v in self.weights.items() if not torch.equal(v, other.weights[k])] == []


def alone(config: Path, folder: Path, edits: dict[str, Any], **options: Any) -> Course:
    course = Course()
    with make(config, folder, edits, **options) as trial:
        while not trial.done:
            course.take(trial, trial.step())
    return course


def report_of(outcome: Interval | Exception) -> TrialReport:
    assert isinstance(outcome, Interval), outcome
    return outcome.report


def together(pack: Pack, courses: dict[str, Course]) -> None:
    """Train a pack to its end, leaving out who has left."""
    while True:
        found = pack.step()
        for name, outcome in found.items():
            pack.run(name, partial(courses[name].take, report=report_of(outcome)))
        if all(report_of(outcome).done for outcome in found.values()):
            return


def test_every_member_trains_as_it_would_alone(distilled: Path, tmp_path: Path) -> None:
    expected = {
        name: alone(distilled, tmp_path / f"alone-{name}", edits) for name, edits in EDITS.items()
    }
    names = object_names()
    torch.manual_seed(11)
    state = torch.get_rng_state()
    pack, courses = Pack(), {name: Course() for name in EDITS}
    for name, edits in EDITS.items():
        pack.add(name, partial(make, distilled, tmp_path / name, edits))
    together(pack, courses)
    pack.close()
    for name, course in courses.items():
        course.assert_same(expected[name])
    assert object_names() == names
    assert torch.equal(torch.get_rng_state(), state)


def test_the_others_go_on_where_one_diverges_or_is_stopped(distilled: Path, tmp_path: Path) -> None:
    expected = alone(distilled, tmp_path / "alone", EDITS["mimic"])
    pack, course = Pack(), Course()
    # The first member's loader serves all: it is the one that fails first.
    pack.add("bad", lambda: make(distilled, tmp_path / "bad", {LR: 1e30}))
    pack.add("stopped", lambda: make(distilled, tmp_path / "stopped", {}))
    pack.add("mimic", lambda: make(distilled, tmp_path / "mimic", EDITS["mimic"]))
    found = pack.step()
    bad = found.pop("bad")
    assert isinstance(bad, TrialError)
    assert bad.kind == "nan"
    pack.run("mimic", partial(course.take, report=report_of(found["mimic"])))
    pack.remove("stopped")
    together(pack, {"mimic": course})
    pack.close()
    course.assert_same(expected)


def test_a_trial_that_is_restored_joins_a_pack_at_the_same_iteration(
    distilled: Path, tmp_path: Path
) -> None:
    expected = {name: alone(distilled, tmp_path / f"alone-{name}", EDITS[name]) for name in EDITS}
    saved, pack = tmp_path / "saved.pth", Pack()
    courses = {name: Course() for name in EDITS}
    pack.add("defaults", lambda: make(distilled, tmp_path / "defaults", EDITS["defaults"]))
    with make(distilled, tmp_path / "mimic", EDITS["mimic"]) as first:
        courses["mimic"].take(first, first.step())
        first.save(saved)
    report = report_of(pack.step()["defaults"])
    pack.run("defaults", partial(courses["defaults"].take, report=report))
    pack.add(
        "mimic",
        lambda: make(distilled, tmp_path / "mimic", EDITS["mimic"], restore_from=saved),
    )
    together(pack, courses)
    pack.close()
    for name in ("defaults", "mimic"):
        courses[name].assert_same(expected[name])


@pytest.mark.parametrize(
    ("edits", "options"),
    [
        ({"model.teacher.cache": {"gib": 1, "precision": "float32"}}, {}),
        ({}, {"every": Every(count=2, unit="iter", needed=(0.5, 2.0)), "epochs": 3}),
    ],
    ids=["cache of the teacher's work", "reports at rungs"],
)
def test_other_ways_to_train_are_the_same_in_a_pack(
    distilled: Path, tmp_path: Path, edits: dict[str, Any], options: dict[str, Any]
) -> None:
    def edits_of(name: str, folder: str) -> dict[str, Any]:
        own = {k: {**v, "dir": str(tmp_path / folder)} for k, v in edits.items()}
        return {**EDITS[name], **own}

    names = ("defaults", "mimic")
    expected = {
        name: alone(distilled, tmp_path / f"alone-{name}", edits_of(name, "caches"), **options)
        for name in names
    }
    pack, courses = Pack(), {name: Course() for name in names}
    for name in names:
        own = edits_of(name, "caches of the pack")
        pack.add(name, partial(make, distilled, tmp_path / name, own, **options))
        assert pack.run(name, lambda trial: bool(trial.model.uses_cache)) == bool(edits)
    together(pack, courses)
    pack.close()
    for name in names:
        assert len(courses[name].reports) == 3
        courses[name].assert_same(expected[name])


def test_a_compiled_step_is_given_its_own_batch(distilled: Path, tmp_path: Path) -> None:
    with make(distilled, tmp_path / "usual", {}) as trial:
        assert prepares_alike(trial.model)
    text = distilled.read_text() + "\ncompile = dict(backend='eager')\n"
    distilled.write_text(text)
    with make(distilled, tmp_path / "compiled", {}) as trial:
        assert not prepares_alike(trial.model)


def test_memory_that_runs_out_beside_others_is_not_the_trials_own_failure(
    distilled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = Pack()
    for name in ("a", "b"):
        pack.add(name, partial(make, distilled, tmp_path / name, {}))

    def full(*args: object, **options: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    pack.run("a", lambda trial: monkeypatch.setattr(trial.model, "forward", full))
    crowded = pack.step()
    assert isinstance(crowded["a"], TrialError)
    assert crowded["a"].kind == "crowded"
    pack.run("b", lambda trial: monkeypatch.setattr(trial.model, "forward", full))
    full_alone = pack.step()["b"]
    assert isinstance(full_alone, TrialError)
    assert full_alone.kind == "oom"
    pack.close()


def test_a_trial_that_cannot_be_built_leaves_the_pack_as_it_was(
    distilled: Path, tmp_path: Path
) -> None:
    expected = alone(distilled, tmp_path / "alone", {})
    pack, course = Pack(), Course()
    pack.add("good", lambda: make(distilled, tmp_path / "good", {}))
    with pytest.raises(TidTuneError):
        pack.add("bad", lambda: make(distilled, tmp_path / "bad", {METHOD: "nonsense"}))
    together(pack, {"good": course})
    pack.close()
    course.assert_same(expected)


def test_each_trial_is_charged_its_share(distilled: Path, tmp_path: Path) -> None:
    pack = Pack()
    for name in ("a", "b"):
        pack.add(name, partial(make, distilled, tmp_path / name, {}))
    found = [outcome for outcome in pack.step().values() if isinstance(outcome, Interval)]
    pack.close()
    speeds = [outcome.report.metrics["train/images_per_second"] for outcome in found]
    shares = [outcome.report.images / speed for outcome, speed in zip(found, speeds, strict=True)]
    assert shares[0] == pytest.approx(shares[1], rel=0.01)
    assert all(i.seconds > share for i, share in zip(found, shares, strict=True))
