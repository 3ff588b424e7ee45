"""What must hold for every method inside a whole Distiller, besides what every method must pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from support.method_cases import TEACHING, supports
from torch import Tensor

from tid_tune.distill.distiller import Distiller
from tid_tune.errors import ConfigError
from tid_tune.testing.detectors import HEADS, detector, images, samples
from tid_tune.testing.scenes import Scene, make_scene

BOXES = [[[3.2, 5.1, 30.7, 40.3], [10.6, 20.9, 60.2, 61.4]], [[8.1, 2.2, 34.3, 33.9]]]
SHAPES = [(64, 64), (50, 40)]
PADDED = [(64, 64), (64, 64)]
SUPPORTED = [(method, kind) for method in TEACHING for kind in HEADS if supports(method, kind)]


def build(method: str, kind: str = "gfl", width: int = 8, **options: Any) -> Distiller:
    """A full detector, whose teacher sees some foreground in noise."""
    torch.manual_seed(0)
    model = Distiller(
        student=detector(kind, stacked_convs=2),
        teacher={"model": detector(kind, width=width, stacked_convs=2), "checkpoint": None},
        distillation={"method": method, "foreground_score": 0.009} | options,
    )
    return model.train()


def batch() -> tuple[Tensor, list[Any]]:
    return images(2, 64, 64), samples(BOXES, SHAPES, PADDED)


def total(model: Distiller, losses: dict[str, Any]) -> Tensor:
    return model.parse_losses(losses)[0]


def distillation(losses: dict[str, Any]) -> dict[str, Tensor]:
    return {name: value for name, value in losses.items() if name.startswith("loss_distill")}


@pytest.mark.parametrize(("method", "kind"), SUPPORTED)
def test_gradient_reaches_student_and_method_but_never_the_teacher(method: str, kind: str) -> None:
    model = build(method, kind, width=16)
    torch.stack(list(distillation(model.loss(*batch())).values())).sum().backward()
    assert all(value.isfinite().all() for value in gradients(model))
    assert sum(value.abs().sum() for value in gradients(model.student)) > 0
    for name, parameter in model.method.named_parameters():
        assert parameter.grad is not None, name
    assert model.teacher is not None
    assert all(value.grad is None for value in model.teacher.parameters())


def gradients(model: torch.nn.Module) -> list[Tensor]:
    return [value.grad for value in model.parameters() if value.grad is not None]


def levels(loss: Tensor | list[Tensor]) -> list[float]:
    """The values of a loss that mmdet gives as a whole or by level."""
    return [item.item() for item in (loss if isinstance(loss, list) else [loss])]


@pytest.mark.parametrize("changes", [{"loss_weight": 0}, {"warmup_iters": 9}], ids=["off", "first"])
@pytest.mark.parametrize(("method", "kind"), SUPPORTED)
def test_without_weight_the_losses_are_mmdets_own(method: str, kind: str, changes: Any) -> None:
    model = build(method, kind, width=16, **changes)
    alone = copy.deepcopy(model.student)
    losses, own = model.loss(*batch()), alone.loss(*batch())
    for name, value in own.items():
        assert levels(losses[name]) == levels(value), name
    assert total(model, losses) == total(model, own)
    total(model, losses).backward()
    total(model, own).backward()
    for ours, theirs in zip(model.student.parameters(), alone.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(("method", "kind"), SUPPORTED)
@pytest.mark.parametrize("boxes", [BOXES, [[], []]], ids=["objects", "no objects"])
def test_repeating_the_batch_changes_no_term(method: str, kind: str, boxes: Any) -> None:
    check_repetition(build(method, kind), boxes)


def test_repeating_a_batch_without_foreground_changes_no_term_of_crosskd() -> None:
    check_repetition(build("crosskd", foreground_score=0.9), BOXES)


def check_repetition(model: Distiller, boxes: Any) -> None:
    data, items = images(2, 64, 64), samples(boxes, SHAPES, PADDED)
    once = model.loss(data, items)
    twice = model.loss(torch.cat([data, data]), [*items, *copy.deepcopy(items)])
    for name, value in once.items():
        if "distill" in name and name != "distill/ratio":
            expected = pytest.approx(value.item(), rel=1e-4, abs=1e-7)
            assert twice[name].item() == expected, name


@pytest.mark.parametrize("method", ["mimic", "defeat", "fgd", "pkd", "frs", "ld"])
def test_padding_is_excluded(method: str) -> None:
    made = make_scene(method, batch="padded")
    before = made.raw()
    for view in (made.context.student, made.context.teacher):
        for maps in (view.features, *view.outputs):
            for item, valid in zip(maps, made.context.valid, strict=True):
                noise = 5 * torch.randn_like(item)
                item.data = torch.where(valid[:, None], item, noise).detach()
    assert made.raw() == pytest.approx(before, rel=1e-5)


def test_padding_is_excluded_from_crosskd_once_convolutions_are_behind() -> None:
    made = make_scene("crosskd", batch="padded", teacher={"stacked_convs": 1})
    head = made.context.teacher.head.head
    for name in ("gfl_cls", "gfl_reg"):
        layer = getattr(head, name)
        layer.weight.data[:, :, [0, 0, 0, 1, 1, 2, 2, 2], [0, 1, 2, 0, 2, 0, 1, 2]] = 0.0
    before, recorded = crossed_again(made, 0.0)
    after, _ = crossed_again(made, 5.0, recorded)
    assert after == pytest.approx(before, rel=1e-5)


def crossed_again(made: Scene, noise: float, recorded: Any = None) -> Any:
    """Raw values with noise in the padding of the tower features that cross."""
    kept = recorded or made.method.recorder.take()
    changed = copy.copy(kept)
    for maps in (changed.classes, changed.boxes):
        for level, valid in enumerate(made.context.valid):
            change = noise * torch.randn_like(maps[level]) * ~valid[:, None]
            maps[level] = maps[level].detach() + change
    made.method.recorder._kept = changed
    return made.raw(), changed


@pytest.mark.parametrize("method", TEACHING)
def test_terms_scale_with_their_weights_and_raw_values_do_not(method: str) -> None:
    one, two = make_scene(method, loss_weight=1.0)(), make_scene(method, loss_weight=2.5)()
    weights = make_scene(method).method.settings.values()
    for name, value in one.losses.items():
        assert two.losses[name].item() == pytest.approx(2.5 * value.item())
        term = name.removeprefix("loss_distill_")
        raw = one.logs[f"distill/{term}_raw"]
        assert two.logs[f"distill/{term}_raw"] == raw
        short = {"foreground": "fg", "background": "bg"}.get(term, term)
        weight = weights.get(f"{short}_weight", 1.0)
        assert value.item() == pytest.approx(weight * raw.item())


@pytest.mark.parametrize("method", TEACHING)
def test_weights_survive_a_checkpoint(method: str) -> None:
    model = build(method, adapt="conv")
    twin = build(method, adapt="conv")
    for value in model.method.parameters():
        value.data.normal_()
    twin.load_state_dict(model.state_dict())
    assert {name.split(".")[0] for name in model.state_dict()} <= {"student", "method"}
    ours, theirs = (distillation(each.loss(*batch())) for each in (model, twin))
    assert {k: v.item() for k, v in ours.items()} == {k: v.item() for k, v in theirs.items()}


PREDICTORS = {"gfl": "gfl", "atss": "atss", "retinanet": "retina", "fcos": "conv"}


@pytest.mark.parametrize("kind", HEADS)
def test_crosskd_leaves_the_students_predictors_to_the_ground_truth(kind: str) -> None:
    model = build("crosskd", kind)
    head: Any = model.student.bbox_head
    for term, tower in (("class", "cls"), ("box", "reg")):
        model.zero_grad(set_to_none=True)
        model.loss(*batch())[f"loss_distill_{term}"].backward()
        assert getattr(head, f"{PREDICTORS[kind]}_{tower}").weight.grad is None
        assert getattr(head, f"{tower}_convs")[1].conv.weight.grad.abs().sum() > 0


def test_crosskd_records_training_passes_only_and_copies_record_for_themselves() -> None:
    model = build("crosskd")
    recorder: Any = model.method.recorder
    average = ExponentialMovingAverage(model).module
    assert average.method.recorder is not recorder
    model.student.bbox_head(model.extract_feat(batch()[0]))
    assert len(recorder._kept.classes) == 3
    assert average.method.recorder._kept.classes == []
    copied = copy.deepcopy(model)
    assert distillation(copied.loss(*batch()))
    model.loss(*batch())
    assert recorder._kept.classes == []
    with torch.no_grad():
        model.eval().predict(*batch(), rescale=False)
    assert recorder._kept.classes == []


@pytest.mark.parametrize("method", TEACHING)
def test_students_of_the_same_seed_start_alike_whatever_the_method(method: str) -> None:
    ours, theirs = build(method).student.state_dict(), build("tid").student.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_ld_needs_the_assigner_that_defines_its_regions() -> None:
    student = detector("gfl")
    student["train_cfg"]["assigner"] = detector("retinanet")["train_cfg"]["assigner"]
    with pytest.raises(ConfigError, match="ld needs a student with ATSSAssigner"):
        Distiller(student, {"model": detector("gfl"), "checkpoint": None}, {"method": "ld"})


@pytest.mark.parametrize(
    ("method", "kind", "changes", "words"),
    [
        ("ld", "atss", {}, "the student's ATSSHead has none, use GFLHead"),
        ("ld", "gfl", {"teacher": {"kind": "fcos"}}, "the teacher's FCOSHead has none"),
        ("ld", "gfl", {"teacher": {"reg_max": 4}}, "reg_max is 8 for the student's head, 4 for"),
        ("frs", "gfl", {"teacher": {"kind": "retinanet"}}, "GFLHead has 1 boxes a point, .* 9"),
        ("crosskd", "retinanet", {"student": {"stacked_convs": 0}}, "stacked_convs is 0"),
        ("crosskd", "retinanet", {"teacher": {"stacked_convs": 0}}, "teacher's RetinaHead has no"),
        *(
            (
                method,
                "retinanet",
                {role: {"loss_cls": {"type": "CrossEntropyLoss", "use_sigmoid": False}}},
                f"{method} needs sigmoid class scores; the {role}'s RetinaHead",
            )
            for method, role in (("frs", "student"), ("frs", "teacher"), ("crosskd", "teacher"))
        ),
    ],
)
def test_detectors_that_a_method_cannot_compare_are_refused(
    method: str, kind: str, changes: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        make_scene(method, kind, **changes)
