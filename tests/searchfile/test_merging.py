"""`base` files and `--set`: who wins, what is merged, and where a mistake is reported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.spec_samples import LR, ONE

from tid_tune.errors import SpecError
from tid_tune.search.schedulers.asha import AshaOptions
from tid_tune.searchfile import SearchSpec, load
from tid_tune.space import Fixed, LogUniform, Uniform

Load = Callable[..., SearchSpec]
MOMENTUM = "optim_wrapper.optimizer.momentum"


@pytest.fixture
def base(project: Path) -> None:
    Path("base.yaml").write_text(
        ONE + f"trials: 10\nsampler: {{type: tpe, seed: 7, startup_trials: 3}}\nscheduler: asha\n"
        f"budget: {{epochs: 100, gpu_hours: 1}}\nobjective: coco/bbox_mAP_50\n"
        f"start_from: [{{{LR}: 0.5}}]\n"
    )


@pytest.mark.usefixtures("base")
def test_maps_are_merged_and_other_values_replaced(read: Load) -> None:
    spec = read(
        f"base: base.yaml\nname: child\nbudget: {{gpu_hours: 2}}\n"
        f"space: {{{MOMENTUM}: 0.5}}\nstart_from: [{{}}, {{}}]\n"
    )
    assert (spec.name, spec.trials) == ("child", 10)
    assert (spec.budget.epochs, spec.budget.gpu_hours) == (100, 2)
    assert list(spec.space) == [LR, MOMENTUM]
    assert spec.start_from == ({}, {})


@pytest.mark.usefixtures("base")
def test_a_parameter_is_replaced_whole(read: Load) -> None:
    spec = read(f"base: base.yaml\nspace: {{{LR}: {{log_uniform: [0.1, 1]}}}}\n")
    assert spec.space == {LR: LogUniform(low=0.1, high=1)}


@pytest.mark.usefixtures("base")
def test_null_removes_what_the_base_says(read: Load) -> None:
    spec = read(
        f"base: base.yaml\nbudget: {{epochs: null}}\ntrials: null\nstart_from: null\n"
        f"space: {{{LR}: null, {MOMENTUM}: 1}}\nbaseline: false\n"
    )
    assert (spec.budget.epochs, spec.budget.gpu_hours, spec.trials) == (None, 1, 24)
    assert spec.space == {MOMENTUM: Fixed(value=1)}
    assert spec.start_from == ()


@pytest.mark.usefixtures("base")
def test_a_new_type_drops_the_options_of_the_old_one(read: Load) -> None:
    spec = read("base: base.yaml\nsampler: {type: random}\nscheduler: {reduction: 4}\n")
    assert (spec.sampler.type, spec.sampler.seed) == ("random", 7)
    assert spec.scheduler == AshaOptions(reduction=4)
    countable = f"space.{LR}={{choice: [0.5, 1]}}"
    assert read("base: base.yaml\n", "sampler=grid", countable).sampler.seed is None


@pytest.mark.usefixtures("base")
def test_objectives_replace_the_objective_of_the_base(read: Load) -> None:
    assert read("base: base.yaml\nobjectives: {gflops: min}\n").objectives == {"gflops": "min"}
    assert read("base: base.yaml\n", "objective=train/acc").objectives == {"train/acc": "max"}


def test_bases_are_chained_relative_to_the_file_that_names_them(read: Load) -> None:
    Path("common/deep").mkdir(parents=True)
    Path("common/deep/a.yaml").write_text(ONE + "trials: 1\nseed: 1\nepochs: 3\n")
    Path("common/b.yaml").write_text("base: deep/a.yaml\nseed: 2\n")
    Path("common/c.yaml").write_text("epochs: 4\n")
    spec = read("base: [common/b.yaml, common/c.yaml]\ntrials: 2\n")
    assert (spec.epochs, spec.seed, spec.trials) == (4, 2, 2)


def test_one_base_may_be_reached_twice(read: Load) -> None:
    Path("a.yaml").write_text(ONE)
    Path("b.yaml").write_text("base: a.yaml\ntrials: 1\n")
    assert read("base: [b.yaml, a.yaml]\n").trials == 1


def test_a_mistake_in_a_base_names_that_file(read: Load) -> None:
    Path("base.yaml").write_text(ONE + "trials: -1\n")
    with pytest.raises(SpecError, match=r"^base\.yaml:4: trials: must be at least 1, got -1$"):
        read("base: base.yaml\n")


def test_a_long_circle_is_shown(read: Load) -> None:
    Path("a.yaml").write_text("base: b.yaml\n")
    Path("b.yaml").write_text("base: search.yaml\n")
    with pytest.raises(SpecError) as caught:
        read(ONE + "base: a.yaml\n")
    circle = "search.yaml -> a.yaml -> b.yaml -> search.yaml"
    assert f"b.yaml:1: base: the files form a circle: {circle}" in str(caught.value)


@pytest.mark.parametrize("content", ["", "- a\n", "a: [\n"])
def test_a_base_that_is_no_map_is_reported_by_its_own_name(content: str, read: Load) -> None:
    Path("base.yaml").write_text(content)
    with pytest.raises(SpecError, match=r"^base\.yaml:\d: "):
        read(ONE + "base: base.yaml\n")


def test_overrides_reach_every_place(read: Load) -> None:
    overrides = [
        "trials=4",
        "sampler.seed=3",
        "budget={x: 2}",
        "budget.epochs=9",
        f"space.{LR}={{log_uniform: [1e-3, 1]}}",
        f"space.{MOMENTUM}.uniform=[0, 1]",
        f"space.{MOMENTUM}.uniform.1=0.5",
        "scheduler=none",
        "start_from=[{}, {}]",
        "start_from.1={momentum: 0.1}",
    ]
    spec = read(ONE, *overrides)
    assert (spec.trials, spec.sampler.seed) == (4, 3)
    assert (spec.budget.x, spec.budget.epochs) == (2, 9)
    assert spec.space == {LR: LogUniform(low=0.001, high=1), MOMENTUM: Uniform(low=0, high=0.5)}
    assert spec.start_from == ({}, {MOMENTUM: 0.1})
    assert spec.scheduler.type == "none"
    assert spec.overrides == tuple(overrides)


def test_no_password_is_remembered_of_an_override(read: Load) -> None:
    spec = read(ONE, "tracking.uri=https://me:planted@host", "trials=4")
    assert spec.overrides == ("tracking.uri=https://me:***@host", "trials=4")


def test_the_last_override_wins_and_null_removes(read: Load) -> None:
    assert read(ONE, "trials=4", "trials=5").trials == 5
    assert read(ONE + "trials: 3\n", "trials=null").trials == 24


def test_an_override_may_replace_the_condition_of_a_parameter(read: Load) -> None:
    text = ONE.replace("}}", ", when: {model.distillation.select: quantile}}}")
    Path("search.yaml").write_text(text)
    select = "space.model.distillation.select={choice: [threshold, quantile]}"
    spec = load("search.yaml", [select, f"space.{LR}.when.model.distillation.select=threshold"])
    assert spec.space[LR].when == {"model.distillation.select": ("threshold",)}
