"""Trials of a Distiller: searched values are in effect, proved, logged, and survive a restore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support.trial_runs import log_only

from tid_tune.errors import ConfigError, TrialError
from tid_tune.openmmlab.checkpoints import load_state
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(method='tid', loss_weight=2.0, warmup_iters=4))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""


@pytest.fixture
def distilled(shapes_config: Callable[..., Path], tmp_path: Path) -> Path:
    """The config of a student, with a teacher trained for one epoch."""
    teacher = shapes_config(name="teacher.py", width=8)
    with make(teacher, tmp_path, epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "teacher.pth")
    return shapes_config(DISTILLER.format(folder=tmp_path), flip=0.5)


def make(
    config: Path,
    tmp_path: Path,
    params: dict[str, Any] | None = None,
    *,
    epochs: int = 2,
    every: Interval | None = None,
    **options: Any,
) -> Trial:
    return Trial(
        config,
        params or {},
        seed=0,
        epochs=epochs,
        report_every=every or Interval(),
        work_dir=tmp_path / "work",
        device="cpu",
        **options,
    )


def test_reports_carry_the_terms_of_distillation_and_their_ratio(
    distilled: Path, tmp_path: Path
) -> None:
    with make(distilled, tmp_path, epochs=1, measure_teacher=True) as trial:
        metrics = trial.step().metrics
    terms = {k for k in metrics if k.startswith("train/loss_distill_")}
    assert terms
    assert any(k.startswith("train/distill/") for k in metrics)
    for term in terms:
        ratio = metrics[term.replace("loss_distill_", "ratio/")]
        assert ratio == pytest.approx(metrics[term] / metrics["train/loss_detector"])
    own = sum(metrics[f"train/loss_{name}"] for name in ("cls", "bbox", "dfl"))
    assert metrics["train/loss_detector"] == pytest.approx(own, rel=1e-4)
    assert "teacher/coco/bbox_mAP" in metrics


def test_measuring_the_teacher_changes_nothing_in_the_student(
    distilled: Path, tmp_path: Path
) -> None:
    found = []
    for measure in (False, True):
        with make(distilled, tmp_path, measure_teacher=measure) as trial:
            trial.step()
            found.append(log_only(trial.step()))
    assert found[0] == found[1]


def conv_operations(
    height: int, width: int, channels_in: int, channels_out: int, kernel: int
) -> int:
    """Multiplications and additions of one convolution that gives height x width points."""
    return 2 * height * width * channels_in * channels_out * kernel**2


def test_costs_are_those_of_the_student_alone(
    distilled: Path, shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    """Whether it is distilled or not: the teacher stays behind."""
    plain = shapes_config(name="plain.py")
    found = []
    for config in (distilled, plain):
        with make(config, tmp_path, costs=("gflops", "params_m", "latency_ms")) as trial:
            found.append(trial.step().metrics)
            student = getattr(trial.model, "student", trial.model)
    assert found[0]["gflops"] == found[1]["gflops"]
    assert found[0]["params_m"] == found[1]["params_m"]
    assert found[0]["params_m"] == pytest.approx(sum(map(torch.numel, student.parameters())) / 1e6)
    assert 0 < found[0]["latency_ms"] < 5000


def test_operations_are_those_of_one_image(
    shapes_config: Callable[..., Path], tmp_path: Path
) -> None:
    """A deeper head costs its convolutions: two towers, on maps of 16x16 and 8x8."""
    found = []
    for convs in (1, 2):
        params = {"model.bbox_head.stacked_convs": convs}
        with make(shapes_config(), tmp_path, params, costs=("gflops",)) as trial:
            found.append(trial.step().metrics["gflops"])
    added = 2 * sum(conv_operations(side, side, 8, 8, kernel=3) for side in (16, 8))
    assert 1e9 * (found[1] - found[0]) == pytest.approx(added)


def test_measuring_costs_changes_nothing_in_the_training(distilled: Path, tmp_path: Path) -> None:
    found = []
    for costs in ((), ("latency_ms", "gflops", "params_m")):
        with make(distilled, tmp_path, costs=costs) as trial:
            trial.step()
            found.append(log_only(trial.step()))
    assert found[0] == found[1]


def test_a_restored_distillation_goes_on_in_the_middle_of_its_warm_up(
    distilled: Path, tmp_path: Path
) -> None:
    every = Interval(count=3, unit="iter")
    with make(distilled, tmp_path, every=every) as whole:
        expected = [log_only(whole.step()) for _ in range(3)][-1]
    with make(distilled, tmp_path, every=every) as first:
        first.step()
        first.save(tmp_path / "first.pth")
    with make(distilled, tmp_path, every=every, restore_from=tmp_path / "first.pth") as second:
        second.step()
        assert log_only(second.step()) == expected


def test_a_checkpoint_has_the_student_and_not_the_teacher(distilled: Path, tmp_path: Path) -> None:
    with make(distilled, tmp_path, epochs=1) as trial:
        trial.step()
        trial.save(tmp_path / "one.pth")
    names = load_state(tmp_path / "one.pth")["state_dict"]
    assert {name.split(".")[0] for name in names} <= {"student", "method"}


SEARCHED = {
    "model.distillation.loss_weight": 0.7,
    "model.distillation.select": "quantile",
    "optim_wrapper.optimizer.lr": 0.004,
    "optim_wrapper.optimizer.momentum": 0.8,
    "model.student.bbox_head.loss_dfl.loss_weight": 0.5,
    "model.student.bbox_head.reg_max": 6,
    "train_dataloader.batch_size": 5,
    "param_scheduler.1.gamma": 0.3,
}


def test_searched_values_are_read_back_from_the_live_objects(
    distilled: Path, tmp_path: Path
) -> None:
    with make(distilled, tmp_path, SEARCHED) as trial:
        trial.proof()
        assert trial.effective() == SEARCHED
        trial.runner.optim_wrapper.optimizer.param_groups[0]["initial_lr"] = 0.1
        trial.model.student.bbox_head.loss_dfl.loss_weight = 9.0
        with pytest.raises(TrialError) as caught:
            trial.proof()
    assert caught.value.kind == "user"
    text = str(caught.value)
    assert "`optim_wrapper.optimizer.lr` should be 0.004 but 0.1 is in effect" in text
    assert "`model.student.bbox_head.loss_dfl.loss_weight` should be 0.5 but 9.0" in text
    assert "momentum" not in text


def test_proof_sees_a_method_that_uses_other_settings(distilled: Path, tmp_path: Path) -> None:
    with make(distilled, tmp_path, {"model.distillation.loss_weight": 0.7}) as trial:
        object.__setattr__(trial.model.method.settings, "loss_weight", 2.0)
        with pytest.raises(TrialError, match=r"should be 0\.7 but 2\.0"):
            trial.proof()


def test_the_precision_of_the_teacher_is_proved(distilled: Path, tmp_path: Path) -> None:
    params = {"model.teacher.precision": "bfloat16"}
    with make(distilled, tmp_path, params) as trial:
        trial.proof()
        assert trial.effective() == params
        trial.model._teacher.precision = "float32"
        with pytest.raises(TrialError, match=r"should be 'bfloat16' but 'float32'"):
            trial.proof()


def test_a_teacher_is_measured_in_the_precision_that_it_teaches_in(
    distilled: Path, tmp_path: Path
) -> None:
    params = {"model.teacher.precision": "bfloat16"}
    seen: list[torch.dtype] = []
    with make(distilled, tmp_path, params, epochs=1, measure_teacher=True) as trial:
        trial.model.teacher.neck.register_forward_hook(lambda *a: seen.append(a[2][0].dtype))
        assert "teacher/coco/bbox_mAP" in trial.step().metrics
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize(
    "more",
    [
        "optim_wrapper.update(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))\n",
        "auto_scale_lr = dict(enable=True, base_batch_size=16)\n",
    ],
)
def test_the_learning_rate_is_proved_before_factors_are_applied(
    shapes_config: Callable[..., Path], tmp_path: Path, more: str
) -> None:
    params = {"optim_wrapper.optimizer.lr": 0.02}
    with make(shapes_config(more), tmp_path, params) as trial:
        assert trial.effective()["optim_wrapper.optimizer.lr"] == pytest.approx(0.02)
        trial.proof()


def test_a_constant_of_another_method_is_carried_without_effect(
    distilled: Path, tmp_path: Path
) -> None:
    params = {"model.distillation.method": "none", "model.distillation.key_weight": 3.0}
    with make(distilled, tmp_path, params, epochs=1) as trial:
        trial.proof()
        assert trial.model.teacher is None
        assert not any("distill" in name for name in trial.step().metrics)


def test_a_misspelt_constant_is_a_config_error(distilled: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="key_weigth"):
        make(distilled, tmp_path, {"model.distillation.key_weigth": 1.0})


def test_weight_zero_trains_the_student_alone(distilled: Path, tmp_path: Path) -> None:
    found = []
    for params in (
        {"model.distillation.method": "none"},
        {"model.distillation.loss_weight": 0.0},
    ):
        with make(distilled, tmp_path, params, epochs=1) as trial:
            trial.step()
            found.append({k: v.clone() for k, v in trial.model.student.state_dict().items()})
    for name, value in found[0].items():
        torch.testing.assert_close(value, found[1][name], msg=name)
