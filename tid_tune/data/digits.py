"""The demo data: real scanned digits pasted on textured canvases, written as COCO or VOC.

The scans are the 1,797 handwritten digits that scikit-learn ships (8x8 pixels, values 0..16), so
nothing is downloaded. Train, val and test draw from disjoint scans.
"""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tid_tune.data.drawing import SIZE_RANGE, Box, draw_scene
from tid_tune.errors import DataError
from tid_tune.files import replacing

Format = Literal["coco", "voc"]
Scene = tuple[bytes, list[Box]]
Scenes = Callable[[str, int], Iterator[Scene]]
Pool = tuple[NDArray[np.float32], NDArray[np.int64]]

CLASSES = tuple("0123456789")
MANIFEST = "digits.json"
_JPEG_QUALITY = 92
_SPLITS = ("train", "val", "test")
_SHARES = (0.7, 0.85)
"""Where the scans of each class are cut into the pools of train, val and test."""


@dataclass(frozen=True)
class _Request:
    """What was asked for; kept in the folder, so that a second call can tell if it is the same."""

    images: int
    val_images: int
    seed: int
    size: int
    format: str
    version: int = 2

    def validate(self) -> None:
        if self.format not in ("coco", "voc"):
            raise DataError(f"digits: format is {self.format!r}; use 'coco' or 'voc'")
        least = {"images": 1, "val_images": 1, "seed": 0, "size": SIZE_RANGE[1]}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                value = getattr(self, name)
                raise DataError(f"digits: {name} is {value}; it must be at least {bound}")

    @property
    def files(self) -> int:
        """Images on disk: the VOC form has a test split besides."""
        return self.images + self.val_images * (2 if self.format == "voc" else 1)


def write_digits(
    out: Path,
    *,
    images: int = 600,
    val_images: int = 100,
    seed: int = 0,
    size: int = 128,
    format: Format = "coco",
) -> bool:
    """Write the digits data set to the new folder `out`.

    The same arguments give the same bytes (with the same versions of numpy, OpenCV and Pillow).
    Image number i of a split does not depend on how many images are written.

    Args:
        out: the folder to create. It appears at once and complete, or not at all.
        images: images of the train split.
        val_images: images of the val split (and, in VOC form, of the test split).
        seed: decides scans, textures and places.
        size: side of the square images in pixels.
        format: `coco` writes annotations/instances_{train,val}.json and {train,val}/NNNNNN.jpg;
            `voc` writes VOCdevkit/VOC2007 with the lists train, val, trainval and test.

    Returns:
        True if written, False if `out` already holds exactly these data.

    Raises:
        DataError: an argument is out of range, or `out` holds something else.
    """
    request = _Request(images, val_images, seed, size, format)
    request.validate()
    out = out.resolve()
    if _already_there(out, request):
        return False
    pools = scans_by_split(seed)
    write = _write_coco if format == "coco" else _write_voc
    try:
        with replacing(out) as folder:
            folder.mkdir()
            write(folder, request, lambda split, count: _scenes(pools, request, split, count))
            (folder / MANIFEST).write_text(json.dumps(asdict(request), indent=1) + "\n")
    except OSError as error:
        raise DataError(f"{out}: cannot write the digits data: {error}") from error
    return True


def _already_there(out: Path, request: _Request) -> bool:
    """Return True if `out` was finished with the same arguments, False if it may be written."""
    if not out.exists():
        return False
    if not out.is_dir():
        raise DataError(f"{out} is a file; name a new folder")
    if not any(out.iterdir()):
        return False
    fix = "name another folder, or remove this one to write it again"
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{out} is not empty and has no digits data; {fix}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{out / MANIFEST}: not readable ({error}); {fix}") from None
    wanted = asdict(request)
    if found != wanted:
        there = found if isinstance(found, dict) else {}
        differences = "; ".join(
            f"{key} is {there.get(key)!r} there and {value!r} here"
            for key, value in wanted.items()
            if there.get(key) != value
        )
        raise DataError(f"{out} holds other digits data: {differences}; {fix}")
    files = sum(1 for _ in out.rglob("*.jpg"))
    if files != request.files:
        raise DataError(f"{out} holds {files} of its {request.files} images; {fix}")
    return True


def _scans() -> Pool:
    """All scans [1797, 8, 8], 0..1, and their labels [1797]."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError("the digits come with scikit-learn; install it: pip install scikit-learn")
    table = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    # The file alone takes a tenth of the seconds that importing scikit-learn takes.
    return scans_in_file(table) if table.is_file() else scans_by_import()


def scans_in_file(table: Path) -> Pool:
    """Return scans and labels as they are in scikit-learn's data file."""
    rows = np.loadtxt(table, delimiter=",")
    scans = rows[:, :64].reshape(-1, 8, 8) / 16
    return scans.astype(np.float32), rows[:, 64].astype(np.int64)


def scans_by_import() -> Pool:
    """Return scans and labels by asking scikit-learn for them."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images / 16).astype(np.float32), data.target.astype(np.int64)


def scans_by_split(seed: int) -> dict[str, Pool]:
    """Return scans [N, 8, 8] in 0..1 and labels [N] of every split: disjoint, alike in classes."""
    scans, labels = _scans()
    rng = np.random.default_rng(seed)
    parts: dict[str, list[NDArray[np.int64]]] = {split: [] for split in _SPLITS}
    for label in range(len(CLASSES)):
        mixed = rng.permutation(np.flatnonzero(labels == label))
        cuts = [int(share * len(mixed)) for share in _SHARES]
        for split, part in zip(_SPLITS, np.split(mixed, cuts), strict=True):
            parts[split].append(part)
    chosen = {split: np.concatenate(part) for split, part in parts.items()}
    return {split: (scans[index], labels[index]) for split, index in chosen.items()}


def _scenes(pools: dict[str, Pool], request: _Request, split: str, count: int) -> Iterator[Scene]:
    """JPEG bytes and boxes of the images of one split."""
    for number in range(count):
        # A generator of its own for every image: image i is the same in a larger data set.
        rng = np.random.default_rng([request.seed, _SPLITS.index(split), number])
        pixels, boxes = draw_scene(rng, *pools[split], request.size)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        yield buffer.getvalue(), boxes


def _write_coco(root: Path, request: _Request, scenes: Scenes) -> None:
    (root / "annotations").mkdir()
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    for split, count in (("train", request.images), ("val", request.val_images)):
        (root / split).mkdir()
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number, (jpeg, boxes) in enumerate(scenes(split, count), start=1):
            name = f"{number:06d}.jpg"
            (root / split / name).write_bytes(jpeg)
            images.append(
                {"id": number, "file_name": name, "width": request.size, "height": request.size}
            )
            for box in boxes:
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": box.label + 1,
                        "bbox": [box.left, box.top, box.width, box.height],
                        "area": box.width * box.height,
                        "iscrowd": 0,
                    }
                )
        document = {
            "info": {"description": f"tid-tune digits, {split}"},
            "images": images,
            "annotations": annotations,
            "categories": categories,
        }
        path = root / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def _write_voc(root: Path, request: _Request, scenes: Scenes) -> None:
    home = root / "VOCdevkit" / "VOC2007"
    lists = home / "ImageSets" / "Main"
    for folder in (home / "JPEGImages", home / "Annotations", lists):
        folder.mkdir(parents=True)
    names: dict[str, list[str]] = {}
    first = 1
    counts = (request.images, request.val_images, request.val_images)
    for split, count in zip(_SPLITS, counts, strict=True):
        names[split] = []
        for number, (jpeg, boxes) in enumerate(scenes(split, count), start=first):
            name = f"{number:06d}"
            names[split].append(name)
            (home / "JPEGImages" / f"{name}.jpg").write_bytes(jpeg)
            tree = _voc_tree(name, request.size, boxes)
            tree.write(home / "Annotations" / f"{name}.xml", encoding="utf-8")
        first += count
    names["trainval"] = names["train"] + names["val"]
    for split, members in names.items():
        (lists / f"{split}.txt").write_text("".join(f"{name}\n" for name in members))


def _voc_tree(name: str, size: int, boxes: list[Box]) -> ET.ElementTree[ET.Element]:
    """One annotation file; VOC counts pixels from 1 and its xmax, ymax are inclusive."""
    root = ET.Element("annotation")
    ET.SubElement(root, "folder").text = "VOC2007"
    ET.SubElement(root, "filename").text = f"{name}.jpg"
    shape = ET.SubElement(root, "size")
    for key, value in (("width", size), ("height", size), ("depth", 3)):
        ET.SubElement(shape, key).text = str(value)
    ET.SubElement(root, "segmented").text = "0"
    for box in boxes:
        item = ET.SubElement(root, "object")
        fields = (("name", CLASSES[box.label]), ("pose", "Unspecified"))
        for key, text in (*fields, ("truncated", "0"), ("difficult", "0")):
            ET.SubElement(item, key).text = text
        corners = ET.SubElement(item, "bndbox")
        edges = (box.left + 1, box.top + 1, box.right, box.bottom)
        for key, value in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True):
            ET.SubElement(corners, key).text = str(value)
    ET.indent(root)
    return ET.ElementTree(root)
