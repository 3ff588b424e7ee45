"""What an entry is valid for: digests of a teacher, and of what it is shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tid_tune.openmmlab.detector_types import Meta

CONTENT = "teacher_input"
"""The key of a sample's meta information that holds the digest of its content."""
FORMAT = 1
"""Raised when entries get another meaning."""
VIEW = (
    "img_id",
    "ori_shape",
    "img_shape",
    "pad_shape",
    "batch_input_shape",
    "scale_factor",
    "flip",
    "flip_direction",
)
"""What mmdet notes of an image and its view, where the pipeline keeps it."""


def teacher_digest(detector: nn.Module, config: object, **modes: object) -> str:
    """Return the digest of a detector: its weights, its config, and how it is run.

    Two teachers of one digest give the same numbers, up to the rounding of the kernels. What the
    code of their layers does is not part of it.
    """
    whole = hashlib.sha256(_text([FORMAT, config, sorted(modes.items())]))
    for name, value in detector.state_dict().items():
        if isinstance(value, Tensor):
            whole.update(_text([name, str(value.dtype), list(value.shape)]))
            whole.update(_buffer(value.detach().cpu().contiguous().view(-1)))
    return whole.hexdigest()[:32]


def preparation(preprocessor: Mapping[str, object]) -> bytes:
    """Return what the config of a data preprocessor adds to the digest of a sample."""
    return _text(preprocessor)


def sample_digest(item: Mapping[str, Any], prepared_by: bytes) -> str:
    """Return the digest of a dataset's item: pixels, boxes, labels, and how they are prepared."""
    objects = item["data_samples"].gt_instances
    boxes = getattr(objects.bboxes, "tensor", objects.bboxes)
    whole = hashlib.sha256(prepared_by)
    for value in (item["inputs"], boxes, objects.labels):
        whole.update(_text([str(value.dtype), list(value.shape)]))
        whole.update(_buffer(value.contiguous().view(-1)))
    return whole.hexdigest()


def entry_key(meta: Meta) -> bytes | None:
    """Return the key of a prepared image; None if its content is not known."""
    known: Mapping[str, object] = dict(meta)
    content = known.get(CONTENT)
    if content is None or known.get("batch_input_shape") is None:
        return None
    view = [repr(_plain(known.get(name))) for name in VIEW]
    return hashlib.sha256(_text([content, view])).digest()[:20]


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


def _text(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, default=repr).encode()


def _buffer(values: Tensor) -> memoryview:
    """Return the bytes of a flat tensor on the CPU, which are not copied."""
    view: memoryview = values.view(torch.uint8).numpy().data
    return view
