"""The teacher's work on one image, and its form in the store.

An entry is a safetensors file behind the CRC-32 of its bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import Tensor

from tid_tune.distill.evidence import Evidence

Array = NDArray[Any]
_CHECKSUM = struct.Struct("<I")
_LEVEL = "level_{}"


@dataclass(frozen=True)
class Entry:
    """What a teacher makes of one image; points of all levels are one dimension P.

    `maps` are the neck's (C, H, W) in the stored precision. The others are the teacher's evidence
    for the image's objects, see `Evidence`.
    """

    maps: Sequence[Array]
    iou: Array
    matched: Array
    probability: Array
    highest: Array

    @classmethod
    def of(cls, features: Sequence[Tensor], evidence: Evidence, image: int, precision: str) -> Self:
        """Take the entry of one image out of a batch."""
        kind = getattr(torch, precision)
        return cls(
            [item[image].to("cpu", kind).contiguous().numpy() for item in features],
            _array(evidence.iou[image]),
            _array(evidence.matched[image].int()),
            _array(evidence.probability[image]),
            _array(evidence.highest[image]),
        )

    def encode(self) -> bytes:
        """Return it as bytes."""
        named = {_LEVEL.format(level): item for level, item in enumerate(self.maps)}
        body: bytes = save(
            named
            | {
                "iou": self.iou,
                "matched": self.matched,
                "probability": self.probability,
                "highest": self.highest,
            }
        )
        return _CHECKSUM.pack(zlib.crc32(body)) + body

    @classmethod
    def decode(cls, stored: bytes) -> Self | None:
        """Return the entry; None if the bytes are not what was written."""
        body = stored[_CHECKSUM.size :]
        if len(stored) < _CHECKSUM.size or _CHECKSUM.unpack_from(stored)[0] != zlib.crc32(body):
            return None
        try:
            found = load(body)
            rest = [found.pop(name) for name in ("iou", "matched", "probability", "highest")]
            maps = [found[_LEVEL.format(level)] for level in range(len(found))]
        except (SafetensorError, KeyError):
            return None
        return cls(maps, *rest)

    def distance(self, other: Entry) -> float:
        """Return the largest difference of an IoU, or of a probability where an object is."""
        if self.iou.shape != other.iou.shape:
            return np.inf
        where = (self.iou > 0) & (other.iou > 0) & (self.matched == other.matched)
        pairs = (self.iou, other.iou), (self.probability[where], other.probability[where])
        return max(float(np.abs(ours - theirs).max(initial=0)) for ours, theirs in pairs)


def batch_maps(entries: Sequence[Entry], device: torch.device) -> list[Tensor]:
    """Join the maps of a batch to (N, C, H, W) per level, float32."""
    return [
        _joined([entry.maps[level] for entry in entries], device).float()
        for level in range(len(entries[0].maps))
    ]


def batch_evidence(entries: Sequence[Entry], device: torch.device) -> Evidence:
    """Join the evidence of a batch to (N, P) each."""
    iou, matched, probability, highest = (
        _joined([getattr(entry, name) for entry in entries], device)
        for name in ("iou", "matched", "probability", "highest")
    )
    return Evidence(iou, matched.long(), probability, lambda: highest)


def _joined(arrays: Sequence[Array], device: torch.device) -> Tensor:
    joined = torch.from_numpy(np.stack(arrays))
    if device.type == "cuda":
        joined = joined.pin_memory()
    return joined.to(device, non_blocking=True)


def _array(values: Tensor) -> Array:
    array: Array = values.cpu().numpy()
    return array
