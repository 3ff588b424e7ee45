from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tid_tune.data.digits import (
    Pool,
    scans_by_import,
    scans_by_split,
    scans_in_file,
    write_digits,
)
from tid_tune.data.drawing import SIZE_RANGE, draw_scene, ink, texture
from tid_tune.errors import DataError

SMALL: dict[str, Any] = {"images": 6, "val_images": 3}


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def pools() -> dict[str, Pool]:
    return scans_by_split(0)


def test_the_scans_are_those_of_scikit_learn_with_and_without_its_data_file() -> None:
    import sklearn
    from sklearn.datasets import load_digits

    data = load_digits()
    table = Path(sklearn.__file__).parent / "datasets/data/digits.csv.gz"
    for scans, labels in (scans_in_file(table), scans_by_import()):
        assert np.array_equal(scans * 16, data.images)
        assert np.array_equal(labels, data.target)


@pytest.mark.parametrize("format", ["coco", "voc"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    tmp_path: Path, format: Literal["coco", "voc"]
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert write_digits(tmp_path / name, format=format, seed=seed, **SMALL)
    first, second, other = (digest(tmp_path / name) for name in "abc")
    assert first == second
    pictures = [name for name in first if name.endswith(".jpg")]
    assert pictures
    assert all(first[name] != other[name] for name in pictures)


def test_an_image_does_not_depend_on_how_many_are_written(tmp_path: Path) -> None:
    write_digits(tmp_path / "few", images=3, val_images=1)
    write_digits(tmp_path / "many", images=5, val_images=2)
    for split, count in (("train", 3), ("val", 1)):
        for number in range(1, count + 1):
            name = f"{split}/{number:06d}.jpg"
            few, many = tmp_path / "few" / name, tmp_path / "many" / name
            assert few.read_bytes() == many.read_bytes()


def test_train_val_and_test_draw_from_disjoint_scans_with_every_class(
    pools: dict[str, Pool],
) -> None:
    seen = [{scan.tobytes() for scan in scans} for scans, _ in pools.values()]
    assert sum(len(scans) for scans, _ in pools.values()) == 1797
    for i, one in enumerate(seen):
        assert all(not one & other for other in seen[i + 1 :])
    assert all(set(labels) == set(range(10)) for _, labels in pools.values())


@pytest.mark.parametrize("seed", range(25))
def test_every_box_is_tight_around_the_pixels_its_digit_changed(
    pools: dict[str, Pool], seed: int
) -> None:
    size = 128
    pixels, boxes = draw_scene(np.random.default_rng(seed), *pools["train"], size)
    # The texture is the first thing drawn, so the same generator gives the bare background.
    bare = np.clip(texture(np.random.default_rng(seed), size), 0, 255)
    changed = np.any(np.abs(pixels.astype(float) - bare) > 4, axis=2)
    assert 1 <= len(boxes) <= 6
    inside = np.zeros_like(changed)
    for box in boxes:
        window = changed[box.top : box.bottom, box.left : box.right]
        inside[box.top : box.bottom, box.left : box.right] = True
        for edge in (window[0], window[-1], window[:, 0], window[:, -1]):
            assert edge.any()
    assert not (changed & ~inside).any()


def test_boxes_lie_in_the_image_have_the_promised_sizes_and_overlap_little(
    pools: dict[str, Pool],
) -> None:
    heights = []
    for seed in range(200):
        _, boxes = draw_scene(np.random.default_rng(seed), *pools["val"], 128)
        for i, box in enumerate(boxes):
            assert 0 <= box.left < box.right <= 128
            assert 0 <= box.top < box.bottom <= 128
            heights.append(max(box.width, box.height))
            for other in boxes[:i]:
                across = min(box.right, other.right) - max(box.left, other.left)
                down = min(box.bottom, other.bottom) - max(box.top, other.top)
                smaller = min(box.width * box.height, other.width * other.height)
                assert max(across, 0) * max(down, 0) <= 0.15 * smaller
    assert max(heights) == SIZE_RANGE[1] - 1
    assert np.mean(np.array(heights) < SIZE_RANGE[0]) < 0.01  # only where another digit hides it


@pytest.mark.parametrize("longer_side", [16, 23, 37, 48])
def test_ink_fills_its_array_and_has_the_size_asked_for(
    pools: dict[str, Pool], longer_side: int
) -> None:
    for scan in pools["train"][0][:50]:
        opacity = ink(scan, longer_side)
        assert max(opacity.shape) == longer_side
        touched = opacity > 0
        for edge in (touched[0], touched[-1], touched[:, 0], touched[:, -1]):
            assert edge.any()


def test_coco_files_agree_with_each_other(tmp_path: Path) -> None:
    write_digits(tmp_path / "d", size=96, **SMALL)
    for split, count in (("train", 6), ("val", 3)):
        document = json.loads((tmp_path / f"d/annotations/instances_{split}.json").read_text())
        assert [category["id"] for category in document["categories"]] == list(range(1, 11))
        assert "".join(category["name"] for category in document["categories"]) == "0123456789"
        assert len(document["images"]) == count
        for image in document["images"]:
            with Image.open(tmp_path / "d" / split / image["file_name"]) as picture:
                assert picture.size == (image["width"], image["height"]) == (96, 96)
        assert len({item["id"] for item in document["annotations"]}) == len(document["annotations"])
        for item in document["annotations"]:
            assert item["area"] == item["bbox"][2] * item["bbox"][3] > 0


def test_voc_form_holds_the_same_images_and_boxes_as_coco_form(tmp_path: Path) -> None:
    write_digits(tmp_path / "coco", **SMALL)
    write_digits(tmp_path / "voc", format="voc", **SMALL)
    home = tmp_path / "voc/VOCdevkit/VOC2007"
    lists = {path.stem: path.read_text().split() for path in (home / "ImageSets/Main").iterdir()}
    assert {name: len(members) for name, members in lists.items()} == {
        "train": 6,
        "val": 3,
        "trainval": 9,
        "test": 3,
    }
    assert not set(lists["test"]) & set(lists["trainval"])
    for split in ("train", "val"):
        document = json.loads((tmp_path / f"coco/annotations/instances_{split}.json").read_text())
        for image, name in zip(document["images"], lists[split], strict=True):
            jpeg = (tmp_path / "coco" / split / image["file_name"]).read_bytes()
            assert (home / "JPEGImages" / f"{name}.jpg").read_bytes() == jpeg
            tree = ElementTree.parse(home / "Annotations" / f"{name}.xml")
            found = []
            for item in tree.iterfind("object"):
                corners = [
                    int(item.findtext(f"bndbox/{k}", "")) for k in ("xmin", "ymin", "xmax", "ymax")
                ]
                left, top = corners[0] - 1, corners[1] - 1
                width, height = corners[2] - corners[0] + 1, corners[3] - corners[1] + 1
                found.append((item.findtext("name"), [left, top, width, height]))
            assert found == [
                (str(annotation["category_id"] - 1), annotation["bbox"])
                for annotation in document["annotations"]
                if annotation["image_id"] == image["id"]
            ]


def test_a_second_call_does_nothing(tmp_path: Path) -> None:
    assert write_digits(tmp_path / "d", **SMALL)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")}
    assert not write_digits(tmp_path / "d", **SMALL)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")} == before
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_an_empty_folder_may_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert write_digits(Path(), **SMALL)
    assert (tmp_path / "empty/annotations/instances_val.json").is_file()


def test_a_folder_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="no digits data"):
        write_digits(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_other_arguments_for_a_finished_folder_are_refused_naming_both(tmp_path: Path) -> None:
    write_digits(tmp_path / "d", **SMALL)
    with pytest.raises(DataError, match="images is 6 there and 7 here"):
        write_digits(tmp_path / "d", images=7, val_images=3)


def test_a_finished_folder_that_lost_images_is_reported(tmp_path: Path) -> None:
    write_digits(tmp_path / "d", **SMALL)
    (tmp_path / "d/train/000002.jpg").unlink()
    with pytest.raises(DataError, match="8 of its 9 images"):
        write_digits(tmp_path / "d", **SMALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": 0}, "images is 0; it must be at least 1"),
        ({"val_images": -1}, "val_images is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"size": 32}, "size is 32; it must be at least 49"),
        ({"format": "yolo"}, "format is 'yolo'"),
    ],
)
def test_arguments_out_of_range_are_refused(
    tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_digits(tmp_path / "d", **arguments)
    assert not list(tmp_path.iterdir())
