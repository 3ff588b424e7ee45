import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.coco_check import Data

from tid_tune.data.digits import write_digits

Document = dict[str, Any]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits data in both forms; tests must not write into it."""
    root = tmp_path_factory.mktemp("digits")
    write_digits(root / "coco", images=40, val_images=12)
    write_digits(root / "voc", images=40, val_images=12, format="voc")
    return root


@pytest.fixture
def checked(tmp_path: Path) -> Data:
    """A small dataset without defects, to break."""
    return Data(tmp_path / "data")


@pytest.fixture
def document() -> Document:
    """A small COCO json with everything: ids with gaps, a crowd box, an image without boxes."""

    def box(
        identity: int, image: int, category: int, bbox: list[float], crowd: int = 0
    ) -> Document:
        return {
            "id": identity,
            "image_id": image,
            "category_id": category,
            "bbox": bbox,
            "area": bbox[2] * bbox[3],
            "iscrowd": crowd,
            "segmentation": [[1, 2.5, 3e1, 4, 5, 6], [7, 8, 9, 1, 2, 3]],
        }

    return {
        "info": {"description": "by hand"},
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 100, "height": 80},
            {"id": 3, "file_name": "b.jpg", "width": 60, "height": 90},
            {"id": 12, "file_name": "c.jpg", "width": 50, "height": 50},
        ],
        "annotations": [
            box(1, 7, 90, [10, 20, 30, 40]),
            box(5, 7, 2, [0.5, 0.25, 99.5, 79.75]),
            box(4, 3, 2, [5, 5, 20, 30], crowd=1),
        ],
        "categories": [
            {"id": 90, "name": "brush", "supercategory": "indoor"},
            {"id": 2, "name": "bicycle"},
            {"id": 40, "name": "never"},
        ],
    }


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Any], Path]:
    """Write something as json and return its path."""

    def write(content: Any, name: str = "ann.json") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write
