"""What a search space can say, and what is meant by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.spec_samples import HEAD, LR, ONE, with_line

from tid_tune.errors import SpecError
from tid_tune.searchfile import SearchSpec
from tid_tune.searchfile.model import Confirm, Interval
from tid_tune.searchfile.transfer import Transfer
from tid_tune.space import Choice, Constraint, Fixed, Integer, LogUniform, Normal, Ordinal, Uniform

Load = Callable[..., SearchSpec]
MOMENTUM = "optim_wrapper.optimizer.momentum"
TID = "model.distillation"
COSTLY = {"params_m": "min", "coco/bbox_mAP": "max"}


def test_the_smallest_file_has_name_trial_and_space(read: Load) -> None:
    spec = read(ONE)
    assert spec.name == "test"
    assert spec.trial == Path("config.py").absolute()
    assert spec.objectives == {"coco/bbox_mAP": "max"}
    assert spec.epochs == 6, "from the config's train_cfg"
    assert spec.report_every == Interval(count=1, unit="epoch")
    assert spec.space == {LR: Uniform(low=0.1, high=1)}
    assert (spec.sampler.type, spec.scheduler.type, spec.trials) == ("gp", "asha", 24)
    assert spec.baseline
    assert spec.confirm is None
    assert spec.source == Path("search.yaml").absolute()


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("{uniform: [0, 1]}", Uniform(low=0, high=1)),
        ("{uniform: [1e-3, 1e-2]}", Uniform(low=0.001, high=0.01)),
        ("{log_uniform: [1.0e-3, 1]}", LogUniform(low=0.001, high=1)),
        ("{quantized_uniform: [0, 1, 0.1]}", Uniform(low=0, high=1, step=0.1)),
        ("{quantized_uniform: [0.2, 0.3, 0.1]}", Uniform(low=0.2, high=0.3, step=0.1)),
        ("{quantized_log_uniform: [0.1, 1, 0.1]}", LogUniform(low=0.1, high=1, step=0.1)),
        ("{integer: [1, 5]}", Integer(low=1, high=5)),
        ("{integer: [1, 5, 2]}", Integer(low=1, high=5, step=2)),
        ("{integer: [1.0, 1e1]}", Integer(low=1, high=10)),
        ("{log_integer: [1, 100]}", Integer(low=1, high=100, log=True)),
        ("{choice: [0.1, 1, null]}", Choice(values=(0.1, 1, None))),
        ("{ordinal: [0.1, 1]}", Ordinal(values=(0.1, 1))),
        ("{normal: [0.5, 0.1]}", Normal(mean=0.5, std=0.1, low=0.5 - 3 * 0.1, high=0.5 + 3 * 0.1)),
        ("{normal: [0.5, 0.1], low: 0.1, high: 1}", Normal(mean=0.5, std=0.1, low=0.1, high=1)),
        ("{fixed: 1}", Fixed(value=1)),
        ("{fixed: null}", Fixed(value=None)),
        ("0.5", Fixed(value=0.5)),
    ],
)
def test_every_distribution_has_a_form(text: str, meant: object, space: Load) -> None:
    assert space(f"{LR}: {text}", more="baseline: false\n").space == {LR: meant}


def test_choices_may_be_lists_and_maps(space: Load) -> None:
    spec = space(
        "model.student.bbox_head.anchor_generator.strides: {choice: [[8, 16], [4, 8]]}",
        "optim_wrapper.clip_grad: {choice: [null, {max_norm: 35}]}",
    )
    values = [entry.values for entry in spec.space.values() if isinstance(entry, Choice)]
    assert values == [([8, 16], [4, 8]), (None, {"max_norm": 35})]


def test_list_entries_are_named_by_index(space: Load) -> None:
    assert "param_scheduler.0.end" in space("param_scheduler.0.end: {integer: [10, 100]}").space


def test_a_key_with_dots_of_its_own_is_named_in_quotes(read: Load) -> None:
    Path("config.py").write_text(
        Path("config.py").read_text()
        + "optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'a.b': dict(lr_mult=0.1)}))\n"
    )
    path = "optim_wrapper.paramwise_cfg.custom_keys.'a.b'.lr_mult"
    text = f"{HEAD}space: {{{path}: {{uniform: [0, 1]}}, model.distillation.loss_weight: 1}}\n"
    assert read(text).space[path] == Uniform(low=0, high=1)
    changed = read(text, f"space.{path}.uniform=[0, 2]", "start_from=[{lr_mult: 2}]")
    assert changed.space[path] == Uniform(low=0, high=2)
    assert changed.start_from == ({path: 2.0},)


def test_conditions_may_be_nested_short_and_of_several_values(space: Load) -> None:
    spec = space(
        f"{TID}.select: {{choice: [threshold, quantile]}}",
        f"{TID}.quantile: {{ordinal: [0.01, 0.1], when: {{select: quantile}}}}",
        f"{TID}.key_threshold: {{uniform: [1, 3], when: {{{TID}.quantile: [0.01, 0.1]}}}}",
    )
    assert spec.space[f"{TID}.quantile"].when == {f"{TID}.select": ("quantile",)}
    assert spec.space[f"{TID}.key_threshold"].when == {f"{TID}.quantile": (0.01, 0.1)}


def test_a_condition_takes_the_steps_of_a_quantized_form_as_they_are_drawn(space: Load) -> None:
    spec = space(
        f"{MOMENTUM}: {{quantized_uniform: [0.1, 0.7, 0.1]}}",
        f"{LR}: {{uniform: [0, 1], when: {{momentum: [0.1, 0.30000000000000004]}}}}",
    )
    assert spec.space[LR].when == {MOMENTUM: (0.1, 0.3)}


def test_a_condition_tells_true_from_one(space: Load) -> None:
    spec = space(
        "model.student.backbone.norm_eval: {choice: [true, false]}",
        f"{LR}: {{uniform: [0, 1], when: {{norm_eval: true}}}}",
    )
    assert spec.space[LR].when["model.student.backbone.norm_eval"] == (True,)


def test_requirements_name_parameters_by_their_last_part(space: Load) -> None:
    spec = space(
        f"{TID}.key_threshold: {{uniform: [1, 3]}}",
        f"{TID}.weak_threshold: {{uniform: [0.3, 3]}}",
        more=f"require: [key_threshold > {TID}.weak_threshold, '0.5 <= weak_threshold < 2']\n",
    )
    weak = f"{TID}.weak_threshold"
    assert spec.require == (
        Constraint(left=f"{TID}.key_threshold", op=">", right=weak),
        Constraint(left=0.5, op="<=", right=weak),
        Constraint(left=weak, op="<", right=2.0),
    )


@pytest.mark.parametrize(
    ("line", "field", "meant"),
    [
        ("sampler: random", "sampler.type", "random"),
        ("scheduler: none", "scheduler.type", "none"),
        ("scheduler: {type: pbt, interval_epochs: 2}", "scheduler.interval_epochs", 2),
        ("scheduler: {type: median, min_trials: 5}", "scheduler.min_trials", 5),
        ("scheduler: {fidelity: data}", "scheduler.fidelity", "data"),
        ("report_every: 2000 iters", "report_every", Interval(count=2000, unit="iter")),
        ("report_every: 1 iteration", "report_every", Interval(count=1, unit="iter")),
        ("report_every: 2 epochs", "report_every", Interval(count=2, unit="epoch")),
        ("evaluate_every: rungs", "evaluate_every", "rungs"),
        ("confirm: true", "confirm", Confirm(top=2, seeds=3)),
        ("confirm: false", "confirm", None),
        ("confirm: {seeds: 5}", "confirm", Confirm(top=2, seeds=5)),
        ("budget: {x: 10, wall_hours: 0.5}", "budget.x", 10),
        ("trials: 1e2", "trials", 100),
        ("objective: coco/bbox_mAP_50", "objectives", {"coco/bbox_mAP_50": "max"}),
        ("objectives: {params_m: min, coco/bbox_mAP: max}", "objectives", COSTLY),
        ("objectives: {train/loss: min}", "objectives", {"train/loss": "min"}),
        ("start_from: [{lr: 0.5}, {}]", "start_from", ({LR: 0.5}, {})),
        ("budget: null", "budget.gpu_hours", None),
        ("tracking: {enabled: false}", "tracking.enabled", False),
        ("report: {areas: 0}", "report.areas", 0),
    ],
)
def test_fields_mean_what_they_say(line: str, field: str, meant: Any, read: Load) -> None:
    value: Any = read(with_line(line))
    for part in field.split("."):
        value = getattr(value, part)
    assert value == meant


def test_a_transfer_names_a_run_folder(read: Load) -> None:
    Path("runs/old").mkdir(parents=True)
    Path("runs/old/ledger.jsonl").touch()
    spec = read(with_line("start_from: {run: runs/old, narrow: true}"))
    assert spec.transfer == Transfer(run=Path("runs/old"), top=5, narrow=True)


def test_a_transfer_names_a_run_folder_in_a_store_which_is_read_later(read: Load) -> None:
    spec = read(with_line("start_from: {run: s3://bucket/runs/old}"))
    assert spec.transfer == Transfer(run="s3://bucket/runs/old")
    recorded = SearchSpec.recorded(spec.model_dump(mode="json"))
    assert recorded.transfer == spec.transfer
    with pytest.raises(SpecError, match=r"start_from.run.*password") as refused:
        read(with_line("start_from: {run: 's3://me:planted@bucket/old'}"))
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    ("file", "points"),
    [
        ("# of t0006\n- optim_wrapper.optimizer.lr: 0.5\n", ({LR: 0.5},)),
        ("lr: 0.5", ({LR: 0.5},)),
        ("[{lr: 0.5}, {}]", ({LR: 0.5}, {})),
    ],
)
def test_start_from_names_files_of_points(
    file: str, points: tuple[dict[str, float], ...], read: Load
) -> None:
    Path("values.yaml").write_text(file)
    assert read(with_line("start_from: values.yaml")).start_from == points
    listed = read(with_line("start_from: [{lr: 0.2}, values.yaml, {}]")).start_from
    assert listed == ({LR: 0.2}, *points, {})


def test_a_mistake_in_a_file_of_points_is_reported_there(read: Load) -> None:
    Path("values.yaml").write_text("- lr: 0.5\n- lr: 0.5\n  rl: 1\n- lr: 5\n")
    with pytest.raises(SpecError) as caught:
        read(with_line("start_from: values.yaml"))
    first, second = str(caught.value).splitlines()
    assert first.startswith("values.yaml:3: [1]: 'rl'")
    assert second.startswith(f"values.yaml:4: [2].{LR}: ")
    for wrong in ("3", "", "- [1]", "a: ["):
        Path("values.yaml").write_text(wrong)
        with pytest.raises(SpecError, match=r"values\.yaml:1"):
            read(with_line("start_from: values.yaml"))


def test_a_point_of_another_search_names_its_file_and_where_that_is_named(read: Load) -> None:
    Path("values.yaml").write_text("- lr: 0.5\n  model.neck: 3\n  optim_wrapper.momntm: 1\n")
    with pytest.raises(SpecError) as caught:
        read(with_line("start_from: values.yaml"))
    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["values.yaml:2:", "values.yaml:3:"]
    for line in lines:
        assert "did you mean" not in line
        assert "search.yaml:4 (start_from)" in line
        assert "remove it" in line


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("runs/old", ["start_from: {run: runs/old}", "runs/old/best/values.yaml"]),
        ("runs", ["folder", "ledger.jsonl"]),
        ("runs/old/best/value.yaml", ["no file", "did you mean 'runs/old/best/values.yaml'"]),
        ("none.yaml", ["no file", "relative to the current folder"]),
    ],
)
def test_what_is_no_file_of_points_comes_with_what_to_write(
    named: str, words: list[str], read: Load
) -> None:
    Path("runs/old/best").mkdir(parents=True)
    Path("runs/old/ledger.jsonl").touch()
    Path("runs/old/best/values.yaml").touch()
    with pytest.raises(SpecError) as caught:
        read(with_line(f"start_from: {named}"))
    (line,) = str(caught.value).splitlines()
    assert all(word in line for word in words), line


def test_one_method_is_a_value_that_every_trial_has(read: Load) -> None:
    spec = read(with_line("method: none"))
    assert spec.method == ()
    assert spec.space[f"{TID}.method"] == Fixed(value="none")


def test_a_constant_of_one_compared_method_applies_to_that_method_only(read: Load) -> None:
    text = f"{HEAD}method: [tid, none]\nspace: {{{TID}.key_weight: {{uniform: [0, 1]}}, {LR}: 1}}\n"
    spec = read(text)
    assert spec.method == ("tid", "none")
    assert spec.space[f"{TID}.key_weight"].when == {f"{TID}.method": ("tid",)}
    assert spec.space[LR].when == {}


def test_a_constant_of_one_searched_method_applies_to_that_method_only(space: Load) -> None:
    spec = space(
        f"{TID}.method: {{choice: [tid, none]}}", f"{TID}.loss_weight: {{uniform: [0, 1]}}"
    )
    assert spec.space[f"{TID}.loss_weight"].when == {f"{TID}.method": ("tid",)}


def test_anchors_and_merge_keys_are_allowed(read: Load) -> None:
    text = f"""{HEAD}
budget: &budget {{epochs: 10, x: 2}}
space:
  {LR}: &range {{uniform: [0, 1]}}
  {MOMENTUM}: *range
resources: {{<<: {{cpus: 2, concurrent: 2}}, concurrent: 3}}
"""
    spec = read(text)
    assert spec.space[LR] == spec.space[MOMENTUM]
    assert (spec.resources.cpus, spec.resources.concurrent) == (2, 3)


def test_a_spec_survives_the_ledger(read: Load) -> None:
    spec = read(with_line("method: [tid, none]\nconfirm: true\nstart_from: [{lr: 0.5}]"))
    assert SearchSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert SearchSpec.model_validate_json(spec.model_dump_json()) == spec
