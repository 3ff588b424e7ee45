"""Draw docs/images/areas.png: key and weak areas of TID on images of the digits demo.

    python docs/images/draw_areas.py runs/digits-gfl-tid docs/images/areas.png

Needs the data, the teacher and the run of `make demo`. The student is the one trained alone. Tinted
are the squares around the points that are in the area, on any level of the feature pyramid. The
side of a square is the stride of its level.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from tid_tune.distill.context import Context
from tid_tune.distill.methods.tid.loss import TID
from tid_tune.export.runs import find_student
from tid_tune.openmmlab.models import build_detector
from tid_tune.openmmlab.registries import DATASETS
from tid_tune.results.run_folder import RunFolder

IMAGES = (3,)
KEY, WEAK = (0.95, 0.75, 0.1), (0.1, 0.65, 0.95)


def main(run: Path, out: Path) -> None:
    """Write the picture."""
    found = find_student(RunFolder.open(run), "t0002")  # TID with its defaults
    alone = find_student(RunFolder.open(run), "t0001")  # without distillation
    dataset = DATASETS.build(found.config.val_dataloader.dataset)
    model = build_detector(found.config.model).eval()
    weights = torch.load(alone.checkpoint, weights_only=False)["state_dict"]
    model.load_state_dict(weights, strict=False)
    seen: list[Context] = []
    model.method.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    figure = Figure(figsize=(7.6, 2.6 * len(IMAGES)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    for row, index in zip(figure.subplots(len(IMAGES), 3, squeeze=False), IMAGES, strict=True):
        item = dataset[index]
        pixels = item["inputs"].permute(1, 2, 0).numpy()[..., ::-1]
        batch = {"inputs": [item["inputs"]], "data_samples": [item["data_samples"]]}
        model(**model.data_preprocessor(batch), mode="loss")
        assert isinstance(model.method, TID)
        areas = model.method.assess(seen[-1])
        show(row[0], pixels, "image with its objects")
        for x1, y1, x2, y2 in item["data_samples"].gt_instances.bboxes.tensor.tolist():
            row[0].add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color="white"))
        show(row[1], pixels, "key area: the teacher is sure", seen[-1], areas.key, KEY)
        show(row[2], pixels, "weak area: the student is behind", seen[-1], areas.weak, WEAK)
    figure.savefig(out)
    Image.open(out).convert("RGB").quantize(128).save(out, optimize=True)


def show(
    axis: Axes,
    pixels: np.ndarray,
    title: str,
    context: Context | None = None,
    area: Tensor | None = None,
    color: tuple[float, float, float] = (0, 0, 0),
) -> None:
    """Draw the image, tinted where the area has a point on some level."""
    image = pixels / 255
    if context is not None and area is not None:
        covered = np.zeros(pixels.shape[:2], bool)
        for level, stride in zip(context.to_levels(area), context.strides, strict=True):
            cells = level[0].numpy().repeat(stride, 0).repeat(stride, 1)
            cells = cells[stride // 2 :, stride // 2 :]  # a point is the middle of its square
            covered[: cells.shape[0], : cells.shape[1]] |= cells
        image = np.where(covered[..., None], 0.35 * image + 0.65 * np.array(color), 0.8 * image)
    axis.imshow(image)
    axis.set_title(title, fontsize=9)
    axis.axis("off")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
