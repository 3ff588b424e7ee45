"""Single images of a data set: which are chosen, and where their objects are in the input."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tid_tune.openmmlab.models import build_model, data_sample
from tid_tune.trial.fixed_images import choose_images, load_image


class Images:
    """Images of 40 x 60 pixels, given to the detector in half the size; the boxes as they were."""

    def __init__(self, objects: list[list[dict[str, Any]]]) -> None:
        self.objects = objects

    def __len__(self) -> int:
        return len(self.objects)

    def get_data_info(self, idx: int) -> Any:
        return {"img_id": idx, "instances": self.objects[idx]}

    def __getitem__(self, index: int) -> Any:
        sample: Any = data_sample([], [], (20, 30), (20, 30))
        sample.set_metainfo({"scale_factor": (0.5, 0.5), "img_path": f"{index}.png"})
        pixels = torch.full((3, 20, 30), index, dtype=torch.uint8)
        pixels[2] = 200  # red, of blue, green and red
        return {"inputs": pixels, "data_samples": sample}


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = build_model(
            {"type": "mmdet.DetDataPreprocessor", "pad_size_divisor": 32}
        )


def row(left: float, label: int = 1, ignore: int = 0) -> dict[str, Any]:
    return {"bbox": [left, 4.0, left + 10, 20.0], "bbox_label": label, "ignore_flag": ignore}


def test_boxes_are_scaled_as_the_image_is() -> None:
    images: Any = Images([[row(8.0), row(20.0, label=0), row(30.0, ignore=1)]])
    found = load_image(images, 0, Model())
    assert found.inputs.shape == (1, 3, 32, 32)
    assert found.instances.bboxes.tolist() == [[4.0, 2.0, 9.0, 10.0], [10.0, 2.0, 15.0, 10.0]]
    assert found.instances.labels.tolist() == [1, 0]
    assert found.pixels.shape == (20, 30, 3)
    assert found.pixels[0, 0].tolist() == [200, 0, 0]


def test_the_images_are_spread_over_the_set_and_have_objects() -> None:
    some, none = [row(1.0)], [row(1.0, ignore=1)]
    images: Any = Images([none, some, some, none, none, some, none, none])
    assert choose_images(images, 2) == [1, 5]
    assert choose_images(images, 4) == [1, 2, 5]
    assert choose_images(images, 16) == [1, 2, 5]
    empty: Any = Images([])
    assert choose_images(empty, 2) == []
