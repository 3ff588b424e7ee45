"""A sparse entry: the points that can be key or weak, a weighted sample of the others.

Exact are the points whose box overlaps an object by more than the teacher's own rule calls
negative (or by more than `IOU_FLOOR`), or that name the object with more than `CLASS_FLOOR`: all
others have the lowest score. Of the others a small sample is kept, the same share of each level;
half of a point's probability is its part in the deviation from the level's mean. Mean and squared
deviation of each channel are those of all points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from tid_tune.distill.cache.entries import EVIDENCE, Array, packed, relative_difference, unpacked
from tid_tune.distill.cache.work import Answer
from tid_tune.distill.context import Batch
from tid_tune.distill.evidence import Evidence
from tid_tune.distill.methods.tid.settings import CLASS_FLOOR, IOU_FLOOR
from tid_tune.distill.sampled import LEAST, SHARE, Sampled, systematic

_POINT = ("points", "weights", "values", *EVIDENCE)


@dataclass(frozen=True)
class SparseEntry:
    """The kept points of one image, in the order of all points; `arrays` by name."""

    arrays: dict[str, Array]

    @classmethod
    def of(cls, batch: Batch, image: int, precision: str, seed: int) -> Self:
        """Take the entry of one image out of a batch; `seed` chooses the sample."""
        maps = [item[image].float().cpu() for item in batch.teacher.features]
        valid = [item[image].cpu() for item in batch.valid]
        exact = torch.split(exact_points(batch)[image].cpu(), batch.level_sizes)
        generator = torch.Generator().manual_seed(seed)
        arrays: dict[str, Array] = {
            "sizes": np.array(batch.sizes, np.int32),
            "counts": np.array([int(item.sum()) for item in valid], np.int32),
        }
        kept, weights = [], []
        for level, (features, usable, sure) in enumerate(zip(maps, valid, exact, strict=True)):
            points = features.flatten(1)
            inside = points[:, usable.flatten()]
            mean = inside.mean(dim=1) if inside.shape[1] else points.new_zeros(len(points))
            squares = (inside - mean[:, None]).square().sum(dim=1)
            arrays |= {f"mean_{level}": mean.numpy(), f"squares_{level}": squares.numpy()}
            sure = sure & usable.flatten()
            chance = _chances(points, usable.flatten() & ~sure, mean, squares)
            chosen = systematic(chance, generator)
            kept.append(sure | chosen)
            weights.append(torch.where(chosen, 1 / chance, 1.0))
        every = torch.cat(kept)
        sure = torch.cat(list(exact))[every]
        joined = torch.cat([item.flatten(1) for item in maps], dim=1)
        evidence = batch.evidence
        arrays |= {
            "points": every.nonzero()[:, 0].int().numpy(),
            "weights": torch.cat(weights)[every].float().numpy(),
            "values": joined[:, every].T.contiguous().to(getattr(torch, precision)).numpy(),
            "iou": torch.where(sure, evidence.iou[image].cpu()[every], 0.0).numpy(),
            "matched": evidence.matched[image].cpu()[every].int().numpy(),
            "probability": evidence.probability[image].cpu()[every].numpy(),
            "highest": evidence.highest[image].cpu()[every].numpy(),
        }
        return cls(arrays)

    def encode(self) -> bytes:
        """Return it as bytes."""
        return packed(self.arrays)

    @classmethod
    def decode(cls, stored: bytes) -> Self | None:
        """Return the entry; None if the bytes are not what was written."""
        arrays = unpacked(stored)
        whole = arrays is not None and all(name in arrays for name in (*_POINT, "sizes", "counts"))
        return cls(arrays) if whole and arrays is not None else None

    def difference(self, now: object, batch: Batch, image: int) -> tuple[float, float]:
        """Return how far it is from what the teacher makes now; see `Entry.difference`.

        The points must be the same: which are exact depends on the evidence, and the sample is
        drawn by the entry's key.
        """
        assert isinstance(now, SparseEntry)
        if not np.array_equal(self.arrays["points"], now.arrays["points"]):
            return np.inf, np.inf
        joined = torch.cat([item[image].flatten(1) for item in batch.teacher.features], dim=1)
        live = joined.T.float().cpu().numpy()[self.arrays["points"]]
        maps = relative_difference(self.arrays["values"], live)
        both = ((self.arrays[name], now.arrays[name]) for name in ("iou", "probability"))
        return maps, max(float(np.abs(a - b).max(initial=0)) for a, b in both)

    @staticmethod
    def joined(entries: Sequence[SparseEntry], device: torch.device) -> Answer:
        """Join the entries of a batch; what is not kept is 0."""
        sizes = [tuple(map(int, size)) for size in entries[0].arrays["sizes"]]
        lengths = [height * width for height, width in sizes]
        channels, total = entries[0].arrays["values"].shape[1], sum(lengths)
        whole = {
            name: np.zeros((len(entries), total, *tail), entries[0].arrays[name].dtype)
            for name, tail in (("values", (channels,)), *((n, ()) for n in ("weights", *EVIDENCE)))
        }
        for image, entry in enumerate(entries):
            for name, target in whole.items():
                target[image, entry.arrays["points"]] = entry.arrays[name]
        found = {name: torch.from_numpy(item).to(device) for name, item in whole.items()}
        maps = found["values"].float().transpose(1, 2).split(lengths, dim=2)
        weights = found["weights"].split(lengths, dim=1)
        statistics = [
            [_stacked(entries, f"{name}_{level}", device) for level in range(len(sizes))]
            for name in ("mean", "squares")
        ]
        sampled = Sampled.of(
            [item.unflatten(1, size) for item, size in zip(weights, sizes, strict=True)],
            _stacked(entries, "counts", device),
            *statistics,
        )
        highest = found["highest"]
        return Answer(
            [item.unflatten(2, size).contiguous() for item, size in zip(maps, sizes, strict=True)],
            Evidence(found["iou"], found["matched"].long(), found["probability"], lambda: highest),
            sampled,
        )


def exact_points(batch: Batch) -> Tensor:
    """Return the points (N, P) whose teacher score may be above the lowest."""
    evidence = batch.evidence
    _, negative = batch.iou_rule(batch.teacher.head).at(evidence.matched)
    sure = evidence.iou > negative.clamp(max=IOU_FLOOR)
    sure = sure | (evidence.probability > CLASS_FLOOR)
    return sure & (evidence.iou > 0) & batch.valid_points


def _chances(points: Tensor, usable: Tensor, mean: Tensor, squares: Tensor) -> Tensor:
    """Return with which probability each point (P) of a level is sampled."""
    count = int(usable.sum())
    if not count:
        return torch.zeros_like(usable, dtype=torch.float64)
    scale = (squares / count + 1e-6).rsqrt()
    energy = ((points - mean[:, None]) * scale[:, None]).square().mean(dim=0).double()
    energy = torch.where(usable, energy, 0.0)
    part = 0.5 / count + 0.5 * energy / energy.sum().clamp(min=1e-12)
    wanted = max(LEAST, SHARE * len(usable))
    return torch.where(usable, (part * wanted).clamp(max=1.0), 0.0)


def _stacked(entries: Sequence[SparseEntry], name: str, device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack([entry.arrays[name] for entry in entries])).to(device)
