"""Trials with a cache of the teacher's work: same losses, and never an entry of another image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tid_tune.distill.cache import store as store_module
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import Store
from tid_tune.errors import ConfigError
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.searchfile.model import Interval
from tid_tune.trial.trial import Trial

DISTILLER = """
model = dict(
    type='Distiller', student=_detector,
    teacher=dict(config='{folder}/teacher.py', checkpoint='{folder}/teacher.pth'),
    distillation=dict(
        method='tid', key_threshold=0.5, weak_threshold=0.2, thresholds='fixed', pos_iou=0.3,
        neg_iou=0.1, cls_pos=0.012, cls_neg=0.005))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
FLIP = 0.5
FLIPPED = "dict(type='RandomFlip', prob=0.5)"
RESIZING = """'DetDataPreprocessor', batch_augments=[dict(
    type='BatchSyncRandomResize', random_size_range=(64, 96), interval=1, size_divisor=32)], """


@pytest.fixture(autouse=True)
def closed_stores() -> Iterator[None]:
    yield
    for store in list(store_module._OPEN.values()):
        store.close()


@pytest.fixture
def distilled(shapes_config: Callable[..., Path], tmp_path: Path) -> Path:
    """The config of a student, with a teacher of random weights."""
    teacher = shapes_config(name="teacher.py", width=8)
    with make(teacher, tmp_path / "teacher") as trial:
        trial.save(tmp_path / "teacher.pth")
    return shapes_config(DISTILLER.format(folder=tmp_path), flip=FLIP)


def make(
    config: Path, work_dir: Path, params: dict[str, Any] | None = None, epochs: int = 2
) -> Trial:
    return Trial(
        config,
        params or {},
        seed=0,
        epochs=epochs,
        report_every=Interval(count=epochs),
        work_dir=work_dir,
        device="cpu",
    )


def cached(folder: Path, **options: Any) -> dict[str, Any]:
    return {"model.teacher.cache": {"dir": str(folder / "cache"), "gib": 1, **options}}


def train(
    config: Path, folder: Path, params: dict[str, Any] | None = None, epochs: int = 2
) -> dict[str, float]:
    """The training's log-only values; clocks left out."""
    with make(config, folder / "work", params, epochs) as trial:
        trial.proof()
        metrics = trial.step().metrics
    for store in list(store_module._OPEN.values()):
        store.flush()
    clock = ("seconds", "per_second")
    return {k: v for k, v in metrics.items() if k.startswith("train/") and not k.endswith(clock)}


def pixels(picture: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(picture)), np.uint8)


def caches(folder: Path) -> list[CacheFolder]:
    return CacheFolder.all_in(folder / "cache")


def counts(folder: Path) -> tuple[int, int, int]:
    """Entries, hits and misses of the only cache."""
    (found,) = caches(folder)
    return Store.shared(found, 2**30, {}).counts()


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


def test_a_changed_checkpoint_is_another_cache(distilled: Path, tmp_path: Path) -> None:
    params = cached(tmp_path)
    train(distilled, tmp_path, params, epochs=1)
    state = load_state(tmp_path / "teacher.pth")
    weights = dict(state["state_dict"])
    name = next(k for k in weights if k.endswith("conv1.weight"))
    weights[name] = weights[name] + 1e-3
    save_state({**state, "state_dict": weights}, tmp_path / "teacher.pth")
    train(distilled, tmp_path, params, epochs=1)
    assert len(caches(tmp_path)) == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [("octave_base_scale=4", "octave_base_scale=5"), ("stacked_convs=1", "stacked_convs=2")],
)
def test_a_changed_teacher_config_is_another_cache(
    distilled: Path, tmp_path: Path, old: str, new: str
) -> None:
    params = cached(tmp_path)
    train(distilled, tmp_path, params, epochs=1)
    teacher = tmp_path / "teacher.py"
    teacher.write_text(teacher.read_text().replace(old, new))
    if "convs" in old:
        with make(teacher, tmp_path / "teacher") as trial:
            trial.save(tmp_path / "teacher.pth")
    train(distilled, tmp_path, params, epochs=1)
    assert len(caches(tmp_path)) == 2


def test_another_stored_precision_is_another_cache(distilled: Path, tmp_path: Path) -> None:
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    train(distilled, tmp_path, cached(tmp_path, precision="float32"), epochs=1)
    assert sorted(str(item.about["stored"]) for item in caches(tmp_path)) == ["float16", "float32"]


CHANGES: dict[str, tuple[str, str]] = {
    "size": ("scale=(64, 64)", "scale=(96, 96)"),
    "normalization": ("std=[64.] * 3", "std=[32.] * 3"),
    "padding": ("'DetDataPreprocessor', ", "'DetDataPreprocessor', pad_size_divisor=96, "),
    "value of the padding": ("'DetDataPreprocessor', ", "'DetDataPreprocessor', pad_value=1, "),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_pipeline_never_hits(distilled: Path, tmp_path: Path, change: str) -> None:
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    for path in (distilled, tmp_path / "teacher.py"):
        path.write_text(path.read_text().replace(*CHANGES[change]))
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    found = [Store.shared(item, 2**30, {}).counts() for item in caches(tmp_path)]
    assert sum(hits for _, hits, _ in found) == 0
    assert sum(entries for entries, _, _ in found) == 20


def test_changed_images_and_annotations_never_hit(
    distilled: Path, tmp_path: Path, shapes_data: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(shapes_data, copy)
    distilled.write_text(distilled.read_text().replace(str(shapes_data), str(copy)))
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    picture = copy / "images" / "train3.png"
    image = pixels(picture)
    image[20, 20] ^= 1  # the least change of a pixel
    cv2.imwrite(str(picture), image)
    document = json.loads((copy / "train.json").read_text())
    moved = next(item for item in document["annotations"] if item["image_id"] == 5)
    moved["bbox"][2] += 1
    (copy / "train.json").write_text(json.dumps(document))
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    assert counts(tmp_path) == (12, 8, 12)


def test_images_of_several_shapes_are_found_by_their_padding(
    distilled: Path, tmp_path: Path, shapes_data: Path
) -> None:
    copy = tmp_path / "data"
    shutil.copytree(shapes_data, copy)
    document = json.loads((copy / "train.json").read_text())
    for number in (0, 3, 4, 8):
        picture = copy / "images" / f"train{number}.png"
        cv2.imwrite(str(picture), pixels(picture)[:48])
        document["images"][number]["height"] = 48
    (copy / "train.json").write_text(json.dumps(document))
    distilled.write_text(distilled.read_text().replace(str(shapes_data), str(copy)))
    live = train(distilled, tmp_path)
    for _ in ("miss", "hit"):
        found = train(distilled, tmp_path, cached(tmp_path, precision="float32"))
        assert found == pytest.approx(live, rel=1e-6)
    entries, hits, misses = counts(tmp_path)
    assert hits >= 20
    assert misses == entries


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (FLIPPED, "dict(type='RandomCrop', crop_size=(48, 48))", "RandomCrop"),
        ("'DetDataPreprocessor', ", RESIZING, "BatchSyncRandomResize"),
    ],
)
def test_more_views_than_can_be_counted_turn_it_off_with_one_line(
    distilled: Path, tmp_path: Path, old: str, new: str, why: str
) -> None:
    distilled.write_text(distilled.read_text().replace(old, new))
    train(distilled, tmp_path, cached(tmp_path), epochs=1)
    assert caches(tmp_path) == []
    log = (tmp_path / "work" / "trial.log").read_text().splitlines()
    (line,) = [line for line in log if "teacher's cache" in line]
    assert "is off" in line
    assert why in line


def test_more_entries_than_fit_turn_it_off_with_one_line(distilled: Path, tmp_path: Path) -> None:
    train(distilled, tmp_path, cached(tmp_path, gib=1e-5), epochs=1)
    assert caches(tmp_path) == []
    log = (tmp_path / "work" / "trial.log").read_text().splitlines()
    (line,) = [line for line in log if "teacher's cache" in line]
    for part in ("is off", "10 images x 2 views", "cache.gib = 1e-05"):
        assert part in line


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
