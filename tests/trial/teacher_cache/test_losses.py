"""Trials with a cache of the teacher's work learn the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.cached_trials import (
    cached,
    counts,
    make,
    train,
)

from tid_tune.errors import ConfigError


def test_a_float32_cache_gives_the_live_teachers_losses(distilled: Path, tmp_path: Path) -> None:
    params = cached(tmp_path, precision="float32")
    live = train(distilled, tmp_path, epochs=1)
    assert live["train/distill/area_key_l0"] > 0
    for _ in ("miss", "hit"):
        assert train(distilled, tmp_path, params, epochs=1) == live
    assert counts(tmp_path) == (10, 10, 10)
    # From the second epoch on some images of a batch miss, and the kernels round by batch size.
    live = train(distilled, tmp_path)
    for _ in ("some miss", "hit"):
        assert train(distilled, tmp_path, params) == pytest.approx(live, rel=1e-5)
    entries, hits, misses = counts(tmp_path)
    assert 10 < entries <= 20  # ten images, most of them seen flipped and not
    assert misses == entries
    assert hits + misses == (1 + 1 + 2 + 2) * 10


def test_a_float16_cache_gives_them_within_its_precision_whether_it_hits_or_misses(
    distilled: Path, tmp_path: Path
) -> None:
    live = train(distilled, tmp_path)
    missed = train(distilled, tmp_path, cached(tmp_path))
    hit = train(distilled, tmp_path, cached(tmp_path))
    assert missed == hit
    assert missed != live
    assert missed == pytest.approx(live, rel=2e-3, abs=1e-5)
    areas = [name for name in live if "area" in name]
    assert areas


@pytest.mark.parametrize("method", ["mimic", "ld", "crosskd", "frs"])
def test_other_methods_get_what_they_need_from_it(
    distilled: Path, tmp_path: Path, method: str
) -> None:
    params = {"model.distillation.method": method}
    live = train(distilled, tmp_path, params, epochs=1)
    for _ in ("miss", "hit"):
        found = train(distilled, tmp_path, params | cached(tmp_path, precision="float32"), 1)
        assert found == pytest.approx(live, rel=1e-5)
    assert counts(tmp_path) == (10, 10, 10)


def test_a_hit_draws_no_random_number(distilled: Path, tmp_path: Path) -> None:
    train(distilled, tmp_path, cached(tmp_path, precision="float32"))
    params = cached(tmp_path, precision="float32")
    with make(distilled, tmp_path / "work", params) as trial:
        trial.step()
        with_hits = torch.get_rng_state()
    with make(distilled, tmp_path / "work") as trial:
        trial.step()
        live = torch.get_rng_state()
    assert torch.equal(with_hits, live)


SPARSE_TID = {
    "model.distillation.thresholds": "detector",
    "model.distillation.cls_neg": 0.1,
    "model.distillation.cls_pos": 0.5,
}


def test_a_sparse_cache_teaches_the_same_whether_it_hits_or_misses(
    distilled: Path, tmp_path: Path
) -> None:
    params = SPARSE_TID | cached(tmp_path, store="sparse")
    missed = train(distilled, tmp_path, params, epochs=1)
    assert train(distilled, tmp_path, params, epochs=1) == missed
    assert counts(tmp_path) == (10, 10, 10)
    live = train(distilled, tmp_path, SPARSE_TID, epochs=1)
    areas = [name for name in live if "area" in name]
    assert [missed[name] for name in areas] == pytest.approx([live[name] for name in areas])
    rest = "train/distill/rest_raw"
    assert missed[rest] == pytest.approx(live[rest], rel=0.5)
    assert missed[rest] != live[rest]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"model.distillation.method": "ld"}, "method ld needs all points"),
        (SPARSE_TID | {"model.distillation.cls_neg": 0.05}, "cls_neg is 0.05"),
        (SPARSE_TID | {"model.distillation.cls_rule": "argmax"}, "argmax"),
        (SPARSE_TID | {"model.distillation.thresholds": "fixed"}, "neg_iou is 0.1"),
    ],
)
def test_what_needs_all_points_refuses_a_sparse_cache(
    distilled: Path, tmp_path: Path, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=f"sparse.*{why}.*full"):
        train(distilled, tmp_path, params | cached(tmp_path, store="sparse"))


def test_modes_that_change_numbers_are_read_from_the_live_model(
    distilled: Path, tmp_path: Path
) -> None:
    modes = {}
    for store, precision in (("full", "float16"), ("full", "float32"), ("sparse", "float16")):
        params = SPARSE_TID | cached(tmp_path, store=store, precision=precision)
        with make(distilled, tmp_path / "work", params) as trial:
            model: Any = trial.model
            modes[store, precision] = model.mode()
    assert modes["full", "float16"] == {"teacher_maps": "float16"}
    assert modes["full", "float32"] == {}
    assert modes["sparse", "float16"] == {"teacher_maps": "float16 sparse"}
