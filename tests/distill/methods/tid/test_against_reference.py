"""TID equals the loop-by-loop reference: scores, areas and terms, for every head and batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.reference_tid import Result, tid
from support.tid_cases import CASES, build, setting
from torch import Tensor

from tid_tune.distill.context import Context
from tid_tune.distill.methods.tid.decoupling import Masks
from tid_tune.testing.detectors import HEADS


def check(context: Context, expected: Result, **changes: Any) -> None:
    method = build(context, **changes)
    for view, scores in ((context.teacher, expected.teacher), (context.student, expected.student)):
        found = torch.tensor(method.settings.products)[method.importance(context, view).code]
        assert torch.allclose(found, flat(scores, 0), atol=1e-5)
    masks = Masks.split(
        method.assess(context), context.valid_points, method.settings.precedence
    ).by_area()
    for area, mask in masks.items():
        names = [[name == area for level in image for name in level] for image in expected.areas]
        assert torch.equal(mask, torch.tensor(names)), area
    logs = method(context).logs
    for area, value in expected.terms.items():
        assert logs[f"distill/{area}_raw"].item() == pytest.approx(value, rel=2e-4, abs=1e-6), area


def flat(scores: Any, part: int) -> Tensor:
    return torch.tensor([[point[part] for level in image for point in level] for image in scores])


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", HEADS)
def test_scores_areas_and_terms_equal_the_reference(kind: str, case: str) -> None:
    context, sides, batch = setting(kind, case)
    check(context, tid(*sides, batch))


@pytest.mark.parametrize("kind", HEADS)
def test_the_cases_reach_every_score_and_area(kind: str) -> None:
    seen: set[float] = set()
    areas: set[str] = set()
    for case in CASES:
        _, sides, batch = setting(kind, case)
        result = tid(*sides, batch)
        seen |= {round(score, 2) for score in flat(result.teacher, 0).flatten().tolist()}
        areas |= {name for image in result.areas for level in image for name in level}
    assert seen == {0.16, 0.6, 0.8, 2.25, 3.0, 4.0}
    assert areas == {"key", "weak", "rest", "padding"}


@pytest.mark.parametrize(
    "changes",
    [
        {"tasks": "classification", "key_threshold": 1.5},
        {"tasks": "regression", "key_threshold": 1.5},
        {"thresholds": "fixed", "pos_iou": 0.3, "neg_iou": 0.2},
        {"select": "quantile", "quantile": 0.1},
        {"select": "quantile", "quantile": 0.03, "tasks": "regression"},
        {"select": "quantile", "quantile": 1.0},
        {"areas": "key"},
        {"areas": "weak"},
        {"areas": "none"},
        {"precedence": "key"},
        {"normalize": "none"},
        {"key_threshold": 0.5, "weak_threshold": 0.3, "cls_pos": 0.7, "cls_neg": 0.3},
    ],
    ids=lambda changes: " ".join(f"{key}={value}" for key, value in changes.items()),
)
@pytest.mark.parametrize("kind", ["gfl", "retinanet"])
def test_every_switch_equals_the_reference(kind: str, changes: dict[str, Any]) -> None:
    context, sides, batch = setting(kind, "padded")
    check(context, tid(*sides, batch, **changes), **changes)


@pytest.mark.parametrize(("student", "teacher"), [("fcos", "retinanet"), ("gfl", "atss")])
def test_each_detector_is_judged_by_its_own_rule(student: str, teacher: str) -> None:
    context, sides, batch = setting(student, "padded", teacher)
    check(context, tid(*sides, batch))


def test_anchors_over_the_allowed_border_are_no_candidates() -> None:
    context, sides, batch = setting("gfl", "padded", border=4)
    check(context, tid(*sides, batch))
    without = replace(batch, border=-1)
    assert tid(*sides, batch).teacher != tid(*sides, without).teacher


@pytest.mark.parametrize("case", ["crowded", "twins of two classes"])
def test_the_objects_may_be_compared_in_chunks(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr("tid_tune.detectors.boxes.PAIRS_AT_ONCE", 300)
    context, sides, batch = setting("retinanet", case)
    check(context, tid(*sides, batch))
