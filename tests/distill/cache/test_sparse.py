"""Sparse entries: exact where it counts, right on average elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from support.tiny_distiller import batch, build
from torch import Tensor

from tid_tune.distill.cache.sparse import SparseEntry, exact_points
from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.features import EPSILON, normalize_channels
from tid_tune.distill.sampled import systematic
from tid_tune.openmmlab.models import unpack_gt_instances

DRAWS = 400


def setting(**distillation: Any) -> tuple[Any, Batch, View]:
    """A Distiller whose teacher is sure of some points, its batch, and the student's view."""
    model = build(**distillation)
    teacher: Any = model._teacher
    with torch.no_grad():  # boxes that fit, classes of any probability
        teacher.detector.bbox_head.gfl_cls.weight.mul_(60)
        teacher.detector.bbox_head.gfl_reg.bias.normal_()
    inputs, samples = batch()
    samples[1].set_metainfo({"pad_shape": (50, 40)})  # padded further by its batch mate
    instances, _, metas = unpack_gt_instances(samples)
    with torch.no_grad():
        features = model.student.extract_feat(inputs)
        view = View(model.student, model._student_head, features, model.bbox_head(features))
    return model, teacher.work(inputs, instances, metas), view


def sampled(whole: Batch, seed: int) -> Batch:
    entries = [
        SparseEntry.decode(SparseEntry.of(whole, image, "float32", seed + image).encode())
        for image in range(2)
    ]
    answer = SparseEntry.joined([item for item in entries if item is not None], whole.device)
    view = replace(whole.teacher, features=answer.features)
    return replace(whole, teacher=view, recorded=answer.evidence, sampled=answer.sampled)


@torch.no_grad()
def terms(model: Any, part: Batch, view: View) -> dict[str, float]:
    logs = model.method(Context(part, view, 0, 0)).logs
    return {name: float(value) for name, value in logs.items()}


@pytest.mark.parametrize("normalize", ["channel", "none"])
@pytest.mark.parametrize(
    "areas",
    [{"key_threshold": 0.6, "weak_threshold": 0.3}, {"select": "quantile", "quantile": 0.2}],
)
def test_key_and_weak_are_exact_and_the_rest_is_right_on_average(
    normalize: str, areas: dict[str, Any]
) -> None:
    model, whole, view = setting(normalize=normalize, **areas)
    full = terms(model, whole, view)
    assert full["distill/area_key_l0"] > 0
    assert full["distill/area_weak_l0"] > 0
    drawn = [terms(model, sampled(whole, 10 * draw), view) for draw in range(DRAWS)]
    for name, value in full.items():
        values = torch.tensor([one[name] for one in drawn])
        if name == "distill/rest_raw":
            error = values.std() / DRAWS**0.5
            assert values.std() > 0
            assert abs(values.mean() - value) < 4 * error
        else:
            assert values.min() == pytest.approx(value, rel=1e-4, abs=1e-6)
            assert values.max() == pytest.approx(value, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("method", ["mimic", "pkd"])
def test_whole_map_methods_are_right_on_average(method: str) -> None:
    model, whole, view = setting(method=method)
    (name,) = (name for name in terms(model, whole, view) if name.endswith("_raw"))
    value = terms(model, whole, view)[name]
    values = torch.tensor(
        [terms(model, sampled(whole, 10 * draw), view)[name] for draw in range(DRAWS)]
    )
    assert abs(values.mean() - value) < 4 * values.std() / DRAWS**0.5
    assert values.std() > 0


def test_statistics_of_channels_are_those_of_all_points_of_the_batch() -> None:
    _, whole, _ = setting()
    part = sampled(whole, 0)
    assert part.sampled is not None
    for level, (maps, valid) in enumerate(zip(whole.teacher.features, whole.valid, strict=True)):
        expected = normalize_channels(maps, valid)
        found = part.sampled.normalized(maps, level, EPSILON)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_every_point_above_the_lowest_score_is_exact() -> None:
    model, whole, view = setting(key_threshold=0.17, weak_threshold=0.1)
    importance = model.method.importance(Context(whole, view, 0, 0), whole.teacher)
    above = (importance.code > 0) & whole.valid_points
    assert above.any()
    assert not (above & ~exact_points(whole)).any()
    part = sampled(whole, 3)
    again = model.method.importance(Context(part, view, 0, 0), part.teacher)
    assert torch.equal(again.code[whole.valid_points], importance.code[whole.valid_points])


def test_a_point_is_drawn_with_its_probability() -> None:
    chances = torch.tensor([0.0, 0.1, 0.3, 0.6, 1.0, 0.25, 0.75], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    draws: list[Tensor] = [systematic(chances, generator) for _ in range(4000)]
    found = torch.stack(draws).double()
    torch.testing.assert_close(found.mean(dim=0), chances, rtol=0, atol=0.03)
    assert set(found.sum(dim=1).tolist()) == {3.0}


def test_the_same_seed_gives_the_same_entry() -> None:
    _, whole, _ = setting()
    first, again, other = (SparseEntry.of(whole, 0, "float16", seed) for seed in (1, 1, 2))
    assert first.encode() == again.encode()
    assert first.encode() != other.encode()
    assert first.difference(again, whole, 0)[0] < 1e-3
    assert first.difference(other, whole, 0)[0] > 1
