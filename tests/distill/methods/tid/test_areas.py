"""What must hold for any scores and features, whatever a detector says."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tid_cases import build, setting
from torch import Tensor

from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.methods.tid.areas import Areas, assess_areas, top_fraction
from tid_tune.distill.methods.tid.codes import Tables
from tid_tune.distill.methods.tid.decoupling import Masks
from tid_tune.distill.methods.tid.importance import Importance
from tid_tune.distill.methods.tid.settings import TIDSettings
from tid_tune.testing.detectors import HEADS

LEVELS = [12, 4, 1]
POINTS = sum(LEVELS)


def random(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Importance, Importance, Tensor, TIDSettings]:
    seed = draw(st.integers(0, 2**16))
    teacher, student = (
        Importance((random(seed + i, 2, POINTS) * 9).long(), random(seed + i + 9, 2, POINTS))
        for i in range(2)
    )
    valid = random(seed + 99, 2, POINTS) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    changes = {
        "select": draw(st.sampled_from(["threshold", "quantile"])),
        "quantile": draw(st.floats(0.01, 1.0)),
        "areas": draw(st.sampled_from(["both", "key", "weak", "none"])),
        "precedence": draw(st.sampled_from(["key", "weak"])),
    }
    return teacher, student, valid, TIDSettings.parse(changes)


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_the_masks_are_disjoint_and_cover_exactly_the_valid_points(scene: Any) -> None:
    teacher, student, valid, options = scene
    areas = assess_areas(teacher, student, valid, LEVELS, options, Tables(options))
    masks = Masks.split(areas, valid, options.precedence)
    counts = masks.key.int() + masks.weak.int() + masks.rest.int()
    assert torch.equal(counts, valid.int())
    if options.areas in ("key", "none"):
        assert not masks.weak.any()
    if options.areas in ("weak", "none"):
        assert not masks.key.any()


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_the_preferred_area_keeps_its_points(scene: Any) -> None:
    teacher, student, valid, options = scene
    areas = assess_areas(teacher, student, valid, LEVELS, options, Tables(options))
    masks = Masks.split(areas, valid, options.precedence)
    preferred, whole = (
        (masks.weak, areas.weak) if options.precedence == "weak" else (masks.key, areas.key)
    )
    assert torch.equal(preferred, whole)


SCORES = (2.0, 1.5, 0.4, 1.3, 0.7)


@pytest.mark.parametrize("levels", [*itertools.combinations(sorted(SCORES), 3)])
@pytest.mark.parametrize("tasks", ["both", "regression"])
def test_a_threshold_that_a_score_reaches_exactly_is_reached(
    levels: tuple[float, float, float], tasks: Any
) -> None:
    """Of floats, 0.8 - 1.5 * 0.4 is less than 0.2; one step above a score is not reached."""
    named = dict(zip(("score_low", "score_middle", "score_high"), levels, strict=True))
    exact = [Decimal(str(level)) for level in levels]
    if tasks == "both":
        exact = [first * second for first in exact for second in exact]
    codes = torch.arange(len(exact))[None]
    valid = torch.ones_like(codes, dtype=torch.bool)
    teacher = Importance(codes, codes.float())
    for below, above in itertools.permutations(range(len(exact)), 2):
        lead = exact[above] - exact[below]
        if lead <= 0:
            continue
        student = Importance(torch.full_like(codes, below), teacher.evidence)
        for more, reached in ((Decimal(0), True), (Decimal("1e-6"), False)):
            thresholds = {
                "weak_threshold": float(lead + more),
                "key_threshold": float(exact[above] + more),
            }
            options = TIDSettings.parse({"tasks": tasks} | named | thresholds)
            tables = Tables(options)
            areas = assess_areas(teacher, student, valid, [len(exact)], options, tables)
            assert areas.weak[0, above] == reached, (above, below)
            assert areas.key[0, above] == reached, above


def test_equal_products_of_other_codes_are_ordered_by_the_evidence_alone() -> None:
    """2 * 0.4 and 0.4 * 2 are the same importance."""
    teacher = Importance(torch.tensor([[6, 2, 6, 2]]), torch.tensor([[0.1, 0.4, 0.3, 0.2]]))
    student = Importance(torch.zeros_like(teacher.code), torch.zeros_like(teacher.evidence))
    options = TIDSettings(select="quantile", quantile=0.5)
    valid = torch.ones(1, 4, dtype=torch.bool)
    areas = assess_areas(teacher, student, valid, [4], options, Tables(options))
    assert areas.key.tolist() == areas.weak.tolist() == [[False, True, True, False]]


def test_the_top_fraction_is_counted_per_image_and_level_over_valid_points() -> None:
    score = (random(0, 2, POINTS) * 6).long()
    valid = torch.ones(2, POINTS, dtype=torch.bool)
    valid[1, :8] = False
    chosen = top_fraction(score, random(1, 2, POINTS), valid, LEVELS, 0.25)
    counts = [[int(part.sum()) for part in image.split(LEVELS)] for image in chosen]
    assert counts == [[3, 1, 1], [1, 1, 1]]
    assert not (chosen & ~valid).any()


def test_equal_scores_are_ordered_by_the_evidence() -> None:
    score = torch.tensor([[3, 4, 4, 4]])
    evidence = torch.tensor([[0.9, 0.1, 0.3, 0.2]])
    chosen = top_fraction(score, evidence, torch.ones(1, 4, dtype=torch.bool), [4], 0.5)
    assert chosen.tolist() == [[False, False, True, True]]


@pytest.mark.parametrize(("count", "fraction", "chosen"), [(100, 0.3, 30), (13_400, 0.3, 4020)])
def test_a_fraction_that_is_a_whole_number_of_points_selects_that_many(
    count: int, fraction: float, chosen: int
) -> None:
    score = random(3, 1, count)
    valid = torch.ones_like(score, dtype=torch.bool)
    assert top_fraction(score.long(), score, valid, [count], fraction).sum() == chosen


def test_equal_leads_are_ordered_by_the_lead_of_the_evidence() -> None:
    teacher = Importance(torch.full((1, 3), 8), torch.tensor([[0.9, 0.8, 0.7]]))
    student = Importance(torch.full((1, 3), 4), torch.tensor([[0.6, 0.3, 0.5]]))
    valid, options = (
        torch.ones(1, 3, dtype=torch.bool),
        TIDSettings(select="quantile", quantile=0.3),
    )
    areas = assess_areas(teacher, student, valid, [3], options, Tables(options))
    assert areas.weak.tolist() == [[False, True, False]]
    assert areas.key.tolist() == [[True, False, False]]


@pytest.mark.parametrize("changes", [{}, {"select": "quantile", "quantile": 0.2}])
@pytest.mark.parametrize("kind", HEADS)
def test_what_lies_at_padding_changes_nothing(kind: str, changes: dict[str, Any]) -> None:
    context, _, _ = setting(kind, "padded")
    method = build(context, **changes)
    before, areas = method(context), method.assess(context)
    teacher = soil(context.teacher, context.valid)
    batch = Batch(context.batch.inputs, teacher, context.instances, context.metas)
    soiled = Context(batch, soil(context.student, context.valid), 0, 0)
    after = method(soiled)
    for name, value in (before.losses | before.logs).items():
        found = (after.losses | after.logs)[name]
        assert found.item() == pytest.approx(value.item(), rel=1e-5), name
    again = method.assess(soiled)
    assert torch.equal(areas.key, again.key)
    assert torch.equal(areas.weak, again.weak)
    assert not (again.key & ~context.valid_points).any()
    assert not all(item.all() for item in context.valid)


def soil(view: View, valid: list[Tensor]) -> View:
    """The view with large numbers in features and outputs wherever a point is not valid."""

    def change(maps: Any) -> list[Tensor]:
        return [
            torch.where(ok[:, None], item, item + 7.0) for item, ok in zip(maps, valid, strict=True)
        ]

    outputs = [change(maps) for maps in view.outputs]
    return View(view.detector, view.head, change(view.features), outputs)


def test_an_image_is_valid_up_to_its_own_padding() -> None:
    context, _, _ = setting("gfl", "padded")
    second = [item[1] for item in context.valid]
    assert [(int(item.any(1).sum()), int(item.any(0).sum())) for item in second] == [
        (5, 4),
        (3, 2),
        (2, 1),
    ]
    assert all(item[0].all() for item in context.valid)


def test_precedence_decides_for_points_that_are_both() -> None:
    both = torch.tensor([[True, False]])
    areas = Areas(key=both, weak=both)
    valid = torch.ones(1, 2, dtype=torch.bool)
    assert Masks.split(areas, valid, "weak").weak.tolist() == [[True, False]]
    assert not Masks.split(areas, valid, "weak").key.any()
    assert Masks.split(areas, valid, "key").key.tolist() == [[True, False]]
