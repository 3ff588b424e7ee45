"""What a detector that is never trained needs not do: it is folded, and may run in bfloat16."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor

from tid_tune.detectors.heads import Outputs
from tid_tune.distill.model_config import FLOAT32
from tid_tune.openmmlab.detector_types import Detector, Sample
from tid_tune.openmmlab.folding import fold

logger = logging.getLogger(__name__)
Maps = TypeVar("Maps", bound=Sequence[object])


def freeze(detector: Detector, side: int) -> None:
    """Make a detector with its weights as fast as it can be with the same results.

    Args:
        detector: in evaluation mode; changed.
        side: height and width in pixels of an image that it takes, for a trial of the outcome.
    """
    if any(value.is_meta for value in detector.parameters()):
        return  # nothing is computed with it
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, 3, side, side, generator=generator)
    image = image.to(next(detector.parameters()).device)

    def run() -> list[Sequence[Tensor]]:
        features = detector.extract_feat(image)
        return [features, *detector.bbox_head(features)]

    if fold(detector, run) is None:
        logger.info(
            "the teacher's batch normalizations are not folded into its convolutions: its outputs "
            "would change; it works as it is, more slowly"
        )
    detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's overloads of Module.to


def computing(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a frozen detector runs in `precision`.

    `float32` leaves the precision of the student's training, as mixed precision sets it.
    """
    if precision == FLOAT32:
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


@torch.no_grad()
def passed(
    detector: Detector, inputs: Tensor, precision: str, *, outputs: bool
) -> tuple[Sequence[Tensor], Outputs]:
    """Return the neck's maps and, with `outputs`, what the head makes of them.

    Args:
        detector: in evaluation mode.
        inputs: a preprocessed batch (N, 3, H, W).
        precision: of the computation, see `computing`.
        outputs: whether to run the head; if not, the second result is empty.

    Returns:
        Contiguous tensors, no less precise than float32.
    """
    with computing(precision, inputs.device):
        features = detector.extract_feat(inputs.contiguous(memory_format=torch.channels_last))
        found = detector.bbox_head(features) if outputs else ()
    return [_plain(item) for item in features], [[_plain(item) for item in kind] for kind in found]


@torch.no_grad()
def head_outputs(detector: Detector, features: Sequence[Tensor], precision: str) -> Outputs:
    """Return what the head makes of the neck's maps that `passed` has returned.

    They are those that `passed` would have returned with them, if the head begins with
    convolutions.
    """
    maps = [item.contiguous(memory_format=torch.channels_last) for item in features]
    with computing(precision, maps[0].device):
        found = detector.bbox_head(maps)
    return [[_plain(item) for item in kind] for kind in found]


@torch.no_grad()
def detections(detector: Detector, data: object, precision: str) -> list[Sample]:
    """Return the samples of a loader's batch with what the detector finds in `precision`.

    Boxes and scores are computed from the head's outputs in float32, as they are in a training.
    """
    if precision == FLOAT32:
        return detector.val_step(data)
    prepared = detector.data_preprocessor(data, False)
    samples = prepared["data_samples"] or []
    _, outputs = passed(detector, prepared["inputs"], precision, outputs=True)
    metas = [sample.metainfo for sample in samples]
    found = detector.bbox_head.predict_by_feat(*outputs, batch_img_metas=metas, rescale=True)
    return detector.add_pred_to_datasample(samples, found)


def _plain(values: Tensor) -> Tensor:
    """Return values as contiguous float32; float64 remains."""
    precise = values.float() if values.element_size() < 4 else values
    return precise.contiguous()
