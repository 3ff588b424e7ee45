"""The digits demo data under the names of COCO 2017 and PASCAL VOC: their layouts and classes."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

from PIL import Image

from tid_tune.data.digits import write_digits
from tid_tune.openmmlab.setup import prepare

COCO_IDS = sorted(set(range(1, 91)) - {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
"""The ids of COCO's 80 categories, which have gaps."""
SIZE = 128
IMAGES = 4
ENLARGED = 4


def write_coco(root: Path) -> None:
    """COCO 2017 at `root`; digit d has the category number 8 * d of the 80, and its id."""
    prepare()
    from mmdet.datasets import CocoDataset

    write_digits(root, images=IMAGES, val_images=2, size=SIZE)
    names = CocoDataset.METAINFO["classes"]
    categories = [{"id": i, "name": n} for i, n in zip(COCO_IDS, names, strict=True)]
    for split in ("train", "val"):
        (root / split).rename(root / f"{split}2017")
        path = root / "annotations" / f"instances_{split}.json"
        document = json.loads(path.read_text())
        document["categories"] = categories
        for item in document["annotations"]:
            item["category_id"] = COCO_IDS[8 * (item["category_id"] - 1)]
        path.with_name(f"instances_{split}2017.json").write_text(json.dumps(document))
        path.unlink()


def write_voc(root: Path) -> None:
    """VOC2007 and VOC2012 (the same images again) in `root`; digit d is VOC class number 2 * d.

    Enlarged, as the configs train on no object below 32 pixels.
    """
    prepare()
    from mmdet.datasets import VOCDataset

    write_digits(root, images=IMAGES, val_images=2, size=SIZE, format="voc")
    names = VOCDataset.METAINFO["classes"]
    home = root / "VOCdevkit" / "VOC2007"
    for path in (home / "JPEGImages").iterdir():
        Image.open(path).resize((ENLARGED * SIZE, ENLARGED * SIZE)).save(path)
    for path in (home / "Annotations").iterdir():
        tree = ET.parse(path)
        for name in tree.iter("name"):
            name.text = names[2 * int(str(name.text))]
        for item in [*tree.iter("width"), *tree.iter("height"), *tree.iter("bndbox")]:
            _enlarge(item)
        tree.write(path)
    shutil.copytree(home, home.with_name("VOC2012"))


def write_all(home: Path) -> dict[str, Path]:
    """Write all three layouts below `home`; return their data roots by name."""
    write_coco(home / "coco")
    write_voc(home / "voc")
    write_digits(home / "digits", images=4, val_images=2)
    return {"coco": home / "coco", "voc": home / "voc" / "VOCdevkit", "digits": home / "digits"}


def _enlarge(item: ET.Element) -> None:
    """Enlarge a length, or the corners of a box: VOC counts pixels from 1, the last included."""
    for node in list(item) or [item]:
        first = node.tag.endswith("min")
        node.text = str(ENLARGED * (int(str(node.text)) - first) + first)
