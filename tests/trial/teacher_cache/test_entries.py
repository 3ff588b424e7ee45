"""A cache has no entry of another image, teacher or pipeline, and no more than it may."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
from support.cached_trials import (
    FLIPPED,
    RESIZING,
    cached,
    caches,
    counts,
    make,
    pixels,
    train,
)

from tid_tune.distill.cache.store import Store
from tid_tune.openmmlab.checkpoints import load_state, save_state


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
