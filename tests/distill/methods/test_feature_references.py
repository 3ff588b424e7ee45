"""Methods on features equal their loop-by-loop references."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support import reference_predictions as predictions
from support import reference_rivals as reference
from support.method_cases import check
from support.reference_rivals import Maps, Pyramid, lists
from torch import nn

from tid_tune.detectors.boxes import GroundTruth
from tid_tune.distill.object_masks import assigned_levels
from tid_tune.testing.detectors import HEADS
from tid_tune.testing.scenes import BATCHES, Scene, make_scene


def maps_of(made: Scene) -> tuple[list[Maps], list[Maps], Pyramid]:
    pyramid = Pyramid(made)
    ours, theirs = (lists(view.features) for view in (made.context.student, made.context.teacher))
    convs = made.method.adaptation.convs
    widths = {view.head.in_channels for view in (made.context.student, made.context.teacher)}
    if made.method.settings.values()["adapt"] == "conv" or len(widths) > 1:
        ours = reference.convolved(ours, convs)
    else:
        assert not list(convs.parameters())
    if made.method.settings.values().get("normalize") == "channel":
        return (
            reference.standardized(ours, pyramid),
            reference.standardized(theirs, pyramid),
            pyramid,
        )
    return ours, theirs, pyramid


FEATURE_CHANGES: list[dict[str, Any]] = [
    {},
    {"normalize": "none"},
    {"adapt": "conv"},
    {"student": {"width": 4}},
]


@pytest.mark.parametrize("case", BATCHES)
def test_mimic_equals_the_reference(case: str) -> None:
    made = make_scene("mimic", batch=case)
    check(made.raw(), reference.mimic(*maps_of(made)))


@pytest.mark.parametrize("changes", FEATURE_CHANGES[1:])
def test_mimic_normalizes_and_adapts(changes: dict[str, Any]) -> None:
    made = make_scene("mimic", **changes)
    check(made.raw(), reference.mimic(*maps_of(made)))


@pytest.mark.parametrize("changes", [{}, *FEATURE_CHANGES[2:]])
@pytest.mark.parametrize("case", ["padded", "odd size"])
def test_pkd_is_one_minus_pearsons_r(case: str, changes: dict[str, Any]) -> None:
    made = make_scene("pkd", batch=case, **changes)
    check(made.raw(), reference.pkd(*maps_of(made)))


@pytest.mark.parametrize("level_scale", [8.0, 2.0])
@pytest.mark.parametrize("case", BATCHES)
def test_defeat_equals_the_reference(case: str, level_scale: float) -> None:
    made = make_scene("defeat", batch=case, level_scale=level_scale)
    check(made.raw(), reference.defeat(*maps_of(made), level_scale))


@pytest.mark.parametrize("changes", FEATURE_CHANGES[1:])
def test_defeat_normalizes_and_adapts(changes: dict[str, Any]) -> None:
    made = make_scene("defeat", **changes)
    check(made.raw(), reference.defeat(*maps_of(made), 8.0))


def block_weights(block: Any) -> dict[str, Any]:
    """A global context block as lists, after giving it weights that are not the first ones."""
    for layer in (block.inner, block.outer, block.key):
        nn.init.normal_(layer.weight, std=0.4)
        nn.init.normal_(layer.bias, std=0.4)
    return {
        "key": block.key.weight[0, :, 0, 0].tolist(),
        "key_bias": block.key.bias.item(),
        "inner": block.inner.weight.tolist(),
        "inner_bias": block.inner.bias.tolist(),
        "outer": block.outer.weight.tolist(),
        "outer_bias": block.outer.bias.tolist(),
    }


def test_fgds_global_context_starts_as_the_identity() -> None:
    made = make_scene("fgd")
    for block, maps, valid in zip(
        made.method.context_blocks, made.context.teacher.features, made.context.valid, strict=True
    ):
        assert torch.equal(block(maps, valid), maps)


def check_fgd(made: Scene, tau: float = 0.5) -> None:
    blocks = [block_weights(block) for block in made.method.context_blocks]
    check(made.raw(), reference.fgd(*maps_of(made), tau, blocks))


@pytest.mark.parametrize("case", BATCHES)
def test_fgd_equals_the_reference(case: str) -> None:
    check_fgd(make_scene("fgd", batch=case))


@pytest.mark.parametrize("changes", [{"attention_temperature": 2.0}, *FEATURE_CHANGES[1:]])
def test_fgd_normalizes_and_adapts(changes: dict[str, Any]) -> None:
    made = make_scene("fgd", **changes)
    check_fgd(made, changes.get("attention_temperature", 0.5))


def test_an_object_of_just_the_size_of_a_level_is_drawn_on_it() -> None:
    boxes = torch.tensor(
        [[[0.0, 0.0, 32.0, 32.0], [8.0, 8.0, 39.0, 39.0], [0.0, 0.0, 32.0, 128.0]]]
    )
    truth = GroundTruth(boxes, torch.zeros(1, 3), torch.ones(1, 3, dtype=torch.bool))
    assert assigned_levels(truth, [8, 16, 32], 2.0).tolist() == [[1, 0, 2]]


def test_objects_are_compared_in_chunks_without_a_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tid_tune.distill.object_masks.PAIRS_AT_ONCE", 1)
    check_fgd(make_scene("fgd", batch="nested and touching"))


@pytest.mark.parametrize("case", ["padded", "no object at all"])
@pytest.mark.parametrize("kind", HEADS)
def test_frs_equals_the_reference(kind: str, case: str) -> None:
    made = make_scene("frs", kind, case)
    check(made.raw(), frs_reference(made))


@pytest.mark.parametrize("changes", FEATURE_CHANGES[1:])
def test_frs_normalizes_and_adapts(changes: dict[str, Any]) -> None:
    made = make_scene("frs", **changes)
    check(made.raw(), frs_reference(made))


def frs_reference(made: Scene) -> dict[str, float]:
    ours, theirs = (lists(view.outputs[0]) for view in (made.context.student, made.context.teacher))
    anchors = len(ours[0][0]) // 3
    return predictions.frs(*maps_of(made), ours, theirs, anchors)
