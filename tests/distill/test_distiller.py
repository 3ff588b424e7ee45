"""What a Distiller trains, shows and saves."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import build_optim_wrapper
from support.tiny_distiller import batch, build, gradients, run, total
from torch import Tensor

from tid_tune.distill.distiller import Distiller, export_student_state
from tid_tune.distill.teacher import Teacher
from tid_tune.errors import ConfigError
from tid_tune.testing.detectors import HEADS, detector


def same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor):
        return torch.equal(left, right)
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"loss_weight": 0},
        {"key_weight": 0, "weak_weight": 0, "rest_weight": 0},
        {"method": "none"},
        {"stop_iter": 0},
    ],
    ids=["weight", "weights of areas", "none", "stop"],
)
@pytest.mark.parametrize("kind", HEADS)
def test_without_weight_losses_and_gradients_are_mmdets_own(kind: str, changes: Any) -> None:
    model = build(kind, detector(kind, width=16), **changes)
    alone = copy.deepcopy(model.student)
    losses, own = run(model), run(alone)
    assert all(same(losses[name], value) for name, value in own.items())
    assert total(model, losses) == total(alone, own)
    ours, theirs = gradients(model), gradients(alone)
    assert {f"student.{name}" for name in theirs} == {k for k in ours if k.startswith("student.")}
    assert all(torch.equal(ours[f"student.{name}"], value) for name, value in theirs.items())


@pytest.mark.parametrize("kind", HEADS)
def test_with_weight_the_detectors_own_losses_stay_and_terms_are_added(kind: str) -> None:
    model = build(kind, key_threshold=0.5, key_weight=0.5, rest_weight=0.1)
    losses, own = run(model), run(model.student)
    assert all(same(losses[name], value) for name, value in own.items())
    for area, weight in (("key", 1.5), ("weak", 3.0), ("rest", 0.3)):
        expected = weight * losses[f"distill/{area}_raw"]
        assert losses[f"loss_distill_{area}"].item() == pytest.approx(expected.item())
    added = sum(losses[f"loss_distill_{area}"] for area in ("key", "weak", "rest"))
    assert losses["distill/weighted"].item() == pytest.approx(added.item())
    ratio = added.item() / total(model, own).item()
    assert losses["distill/ratio"].item() == pytest.approx(ratio)
    assert total(model, losses).item() == pytest.approx((total(model, own) + added).item())


def test_log_only_values_are_detached_scalars_that_mmengine_does_not_sum() -> None:
    logs = {name: value for name, value in run(build()).items() if name.startswith("distill/")}
    assert {f"distill/area_{area}_l{level}" for area in ("key", "weak") for level in range(3)} <= (
        logs.keys()
    )
    assert all("loss" not in name for name in logs)
    assert all(value.ndim == 0 and not value.requires_grad for value in logs.values())


@pytest.mark.parametrize("kind", HEADS)
def test_an_exact_copy_of_the_teacher_has_nothing_to_learn(kind: str) -> None:
    different: list[dict[str, Any]] = [{}, {"select": "quantile", "quantile": 0.5}]
    for changes in different:
        model = build(kind, key_threshold=0.1, **changes)
        model._teacher = Teacher(copy.deepcopy(model.student))
        losses = run(model)
        assert all(losses[f"distill/area_weak_l{level}"] == 0 for level in range(3))
        assert losses["distill/area_key_l0"] > 0
        # A folded teacher rounds differently.
        assert losses["distill/weighted"].item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("kind", HEADS)
def test_repeating_the_batch_changes_no_term(kind: str) -> None:
    model = build(kind, select="quantile", quantile=0.1)
    data, items = batch()
    once = model.loss(data, items)
    twice = model.loss(torch.cat([data, data]), [*items, *copy.deepcopy(items)])
    for name, value in once.items():
        if "distill" in name and name != "distill/ratio":
            assert twice[name].item() == pytest.approx(value.item(), rel=1e-5), name


def test_nothing_that_trains_or_saves_sees_the_teacher() -> None:
    model = build(teacher=detector("gfl", width=16))
    before = {name: value.clone() for name, value in model.teacher.state_dict().items()}
    assert {name.split(".")[0] for name in model.state_dict()} == {"student", "method"}
    assert not any(module is model.teacher for module in model.modules())
    hidden = {id(value) for value in model.teacher.parameters()}
    assert not hidden & {id(value) for value in model.parameters()}
    optimizer = build_optim_wrapper(model, {"optimizer": {"type": "SGD", "lr": 0.1}})
    average = ExponentialMovingAverage(model)
    assert average.module.teacher is model.teacher
    optimizer.update_params(total(model, run(model)))
    average.update_parameters(model)
    assert all(value.grad is None and not value.requires_grad for value in hidden_parameters(model))
    assert all(torch.equal(before[k], value) for k, value in model.teacher.state_dict().items())


def hidden_parameters(model: Distiller) -> list[Tensor]:
    assert model.teacher is not None
    return list(model.teacher.parameters())


def test_the_teacher_stays_in_evaluation_mode_and_follows_the_student() -> None:
    model = build()
    assert not any(module.training for module in model.teacher.train(False).modules())
    model.eval().train()
    assert model.student.training
    assert not any(module.training for module in model.teacher.modules())
    for move, dtype in ((model.half, torch.float16), (model.float, torch.float32)):
        move()
        assert {value.dtype for value in hidden_parameters(model)} == {dtype}
    model.to(torch.float64)
    assert {value.dtype for value in hidden_parameters(model)} == {torch.float64}
    model.to("meta")
    assert {value.device.type for value in hidden_parameters(model)} == {"meta"}
    assert model.teacher.data_preprocessor.device.type == "meta"


def test_the_method_none_builds_no_teacher_and_adds_nothing() -> None:
    missing = {"config": "no/such/config.py", "checkpoint": "no/such/file.pth"}
    model = Distiller(student=detector("gfl"), teacher=missing, distillation={"method": "none"})
    assert model.teacher is None
    assert model.method.settings.method == "none"
    assert all(name.startswith("student.") for name in model.state_dict())
    assert set(run(model)) == {"loss_cls", "loss_bbox", "loss_dfl"}


def test_the_student_starts_alike_whatever_the_method() -> None:
    distilled, plain = build(teacher=detector("gfl", width=16)), build(method="none")
    following = torch.rand(1)
    torch.manual_seed(0)
    Distiller(student=detector("gfl"), distillation={"method": "none"})
    assert torch.equal(following, torch.rand(1))
    ours, theirs = (export_student_state(model.state_dict()) for model in (distilled, plain))
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())


def test_initialized_weights_are_those_of_the_student_alone() -> None:
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    torch.manual_seed(0)
    plain = MODELS.build(ConfigDict(detector("gfl")))
    plain.init_weights()
    model = build(teacher=detector("gfl", width=16))
    model.init_weights()
    ours = export_student_state(model.state_dict())
    assert all(torch.equal(ours[name], value) for name, value in plain.state_dict().items())


def test_predictions_are_the_students() -> None:
    model = build().eval()
    data, items = batch()
    ours = model.predict(data, copy.deepcopy(items), rescale=False)
    theirs = model.student.predict(data, copy.deepcopy(items), rescale=False)
    for left, right in zip(ours, theirs, strict=True):
        assert torch.equal(left.pred_instances.bboxes, right.pred_instances.bboxes)
    for left, right in zip(model(data), model.student(data), strict=True):
        assert same(left, right)


def test_exported_weights_load_into_a_plain_detector() -> None:
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict

    model = build(teacher=detector("gfl", width=16))
    plain = MODELS.build(ConfigDict(detector("gfl")))
    plain.load_state_dict(export_student_state(model.state_dict()))
    with pytest.raises(ConfigError, match="no student"):
        export_student_state(plain.state_dict())


def test_warm_up_continues_where_a_checkpoint_left_it() -> None:
    model = build(warmup_iters=4)
    raw = [run(model) for _ in range(3)]
    terms = [(item["loss_distill_rest"].detach(), item["distill/rest_raw"]) for item in raw]
    shares = [float(weighted / term) for weighted, term in terms]
    assert shares == pytest.approx([0.0, 0.75, 1.5])
    restored = build(warmup_iters=4)
    restored.load_state_dict(model.state_dict())
    assert same(run(restored)["loss_distill_rest"], run(model)["loss_distill_rest"])
    assert model.method.iteration == restored.method.iteration == 4


def test_a_validation_loss_does_not_advance_the_warm_up() -> None:
    model = build(warmup_iters=4).eval()
    run(model)
    assert model.method.iteration == 0


def test_after_the_stop_the_teacher_is_not_run() -> None:
    model = build(teacher=detector("gfl", width=16), stop_iter=1)
    assert "loss_distill_rest" in run(model)
    calls: list[int] = []
    model.teacher.register_forward_hook(lambda *_: calls.append(1))
    model.teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    losses = run(model)
    assert not calls
    assert losses["loss_distill_off"] == 0
    found = gradients(model)
    assert all((found[f"method.{name}"] == 0).all() for name, _ in model.method.named_parameters())


def test_with_weight_0_the_teacher_is_not_run_and_cannot_do_harm() -> None:
    model = build(teacher=detector("gfl", width=16), loss_weight=0)
    for value in hidden_parameters(model):
        value.fill_(torch.inf)
    calls: list[int] = []
    model.teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    assert all(value.isfinite().all() for value in gradients(model).values())
    assert not calls
    assert model.method.iteration == 1


def test_distillation_ends_at_the_epoch_that_mmengine_counts() -> None:
    from mmengine.logging import MessageHub

    hub = MessageHub.get_instance("stop-epoch-test")
    model = build(stop_epoch=2)
    try:
        hub.update_info("epoch", 1)
        assert "loss_distill_rest" in run(model)
        hub.update_info("epoch", 2)
        assert "loss_distill_rest" not in run(model)
    finally:
        MessageHub._instance_dict.pop("stop-epoch-test")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", HEADS)
def test_mixed_precision_stays_finite_with_statistics_in_float32(
    kind: str, dtype: torch.dtype
) -> None:
    model = build(kind, detector(kind, width=16), key_threshold=0.5)
    with torch.autocast("cpu", dtype=dtype):
        losses = run(model)
    added = {name: value for name, value in losses.items() if "distill" in name}
    assert all(value.dtype == torch.float32 for name, value in added.items() if "_raw" in name)
    assert all(value.isfinite() for value in added.values())
    total(model, losses).backward()
    assert all(
        value.grad.isfinite().all() for value in model.parameters() if value.grad is not None
    )
    exact = run(model)["distill/rest_raw"].item()
    assert losses["distill/rest_raw"].item() == pytest.approx(exact, rel=0.1)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", HEADS)
def test_the_gpu_gives_the_same_terms(kind: str) -> None:
    model = build(kind)
    expected = run(model)
    data, items = batch()
    model.cuda()
    losses = model.loss(data.cuda(), [item.cuda() for item in items])
    for name in ("key", "weak", "rest"):
        found = losses[f"distill/{name}_raw"].item()
        assert found == pytest.approx(expected[f"distill/{name}_raw"].item(), rel=0.02, abs=1e-4)
