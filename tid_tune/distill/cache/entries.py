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

from tid_tune.distill.cache.work import Answer
from tid_tune.distill.context import Batch
from tid_tune.distill.evidence import Evidence

Array = NDArray[Any]
_CHECKSUM = struct.Struct("<I")
_LEVEL = "level_{}"
EVIDENCE = ("iou", "matched", "probability", "highest")


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
    def of(cls, batch: Batch, image: int, precision: str, seed: int = 0) -> Self:
        """Take the entry of one image out of a batch; nothing is drawn from `seed`."""
        kind, evidence = getattr(torch, precision), batch.evidence
        maps = batch.teacher.features
        return cls(
            [item[image].to("cpu", kind).contiguous().numpy() for item in maps],
            _array(evidence.iou[image]),
            _array(evidence.matched[image].int()),
            _array(evidence.probability[image]),
            _array(evidence.highest[image]),
        )

    def encode(self) -> bytes:
        """Return it as bytes."""
        named = {_LEVEL.format(level): item for level, item in enumerate(self.maps)}
        return packed(named | {name: getattr(self, name) for name in EVIDENCE})

    @classmethod
    def decode(cls, stored: bytes) -> Self | None:
        """Return the entry; None if the bytes are not what was written."""
        found = unpacked(stored)
        if found is None or not all(name in found for name in EVIDENCE):
            return None
        rest = [found.pop(name) for name in EVIDENCE]
        return cls([found[_LEVEL.format(level)] for level in range(len(found))], *rest)

    @staticmethod
    def joined(entries: Sequence[Entry], device: torch.device) -> Answer:
        """Join the entries of a batch."""
        return Answer(batch_maps(entries, device), batch_evidence(entries, device))

    def difference(self, now: object, batch: Batch, image: int) -> tuple[float, float]:
        """Return how far it is from what the teacher makes now: `now`, and before rounding `batch`.

        Largest difference of maps, relative to the largest value of the map, and of evidence.
        """
        assert isinstance(now, Entry)
        live = [item[image].float().cpu().numpy() for item in batch.teacher.features]
        maps = max(map(relative_difference, self.maps, live))
        if self.iou.shape != now.iou.shape:
            return np.inf, np.inf
        where = (self.iou > 0) & (now.iou > 0) & (self.matched == now.matched)
        pairs = (self.iou, now.iou), (self.probability[where], now.probability[where])
        return maps, max(float(np.abs(a - b).max(initial=0)) for a, b in pairs)


def relative_difference(stored: Array, live: Array) -> float:
    """Return the largest difference, relative to the largest value of the second."""
    if stored.shape != live.shape:
        return np.inf
    scale = max(float(np.abs(live).max(initial=0)), 1e-12)
    return float(np.abs(stored.astype(np.float32) - live).max(initial=0)) / scale


def packed(arrays: dict[str, Array]) -> bytes:
    """Return arrays by name as bytes."""
    body: bytes = save(arrays)
    return _CHECKSUM.pack(zlib.crc32(body)) + body


def unpacked(stored: bytes) -> dict[str, Array] | None:
    """Return the arrays; None if the bytes are not what was written."""
    body = stored[_CHECKSUM.size :]
    if len(stored) < _CHECKSUM.size or _CHECKSUM.unpack_from(stored)[0] != zlib.crc32(body):
        return None
    try:
        arrays: dict[str, Array] = load(body)
    except SafetensorError:
        return None
    return arrays


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
