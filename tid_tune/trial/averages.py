"""Averages of what the model reports at every iteration, kept on its device until they are read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from tid_tune import ranks
from tid_tune.errors import TrialError

TERM = "loss_distill_"
"""Prefix of the losses that distillation adds."""


class Averages:
    """Sums of named scalars. Adding costs one stack and one add and waits for no device."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Tensor] = {}
        self._steps: dict[tuple[str, ...], int] = defaultdict(int)
        self._host: dict[str, list[float]] = defaultdict(list)

    def add(self, values: Mapping[str, object]) -> None:
        """Add one iteration's scalars: tensors of one element, or numbers."""
        tensors = {k: v.detach() for k, v in values.items() if isinstance(v, Tensor)}
        for name, value in values.items():
            if name not in tensors and isinstance(value, int | float):
                self._host[name].append(float(value))
        if not tensors:
            return
        names, device = tuple(tensors), next(iter(tensors.values())).device
        row = torch.stack([v.reshape(()).to(device, torch.float32) for v in tensors.values()])
        # A term may be absent in some iterations: the names decide which sum a row belongs to.
        before = self._sums.get(names)
        self._sums[names] = row if before is None else before.add_(row)
        self._steps[names] += 1

    def means(self, *, together: bool = False) -> dict[str, float]:
        """Return every name's mean over the iterations that had it; waits for the device.

        `together`: tensors are shares of several ranks, which are added. All ranks must ask.
        """
        sums: dict[str, float] = defaultdict(float)
        counts: dict[str, int] = defaultdict(int)
        for names, row in self._sums.items():
            for name, value in zip(names, row.tolist(), strict=True):
                sums[name] += value
                counts[name] += self._steps[names]
        means = {name: sums[name] / counts[name] for name in sums}
        if together:
            shares = ranks.gathered(means)
            means = {name: sum(share.get(name, 0.0) for share in shares) for name in means}
        return means | {name: sum(row) / len(row) for name, row in self._host.items()}

    def check_finite(self, where: str) -> None:
        """Check the losses so far; waits for the device.

        Raises:
            TrialError: kind `nan`, a loss has been NaN or infinite.
        """
        bad = {k: v for k, v in self.means().items() if "loss" in k and not math.isfinite(v)}
        if bad:
            # The total is as bad as its parts; it is named only where no part is.
            named = ", ".join(
                f"{name} is {value}"
                for name, value in sorted(bad.items())
                if name != "loss" or len(bad) == 1
            )
            raise TrialError(f"the training diverged {where}: {named}", kind="nan")


def with_ratios(means: Mapping[str, float]) -> dict[str, float]:
    """Return `means` and, for distillation terms, their ratio to the detector's own loss.

    Adds `loss_detector` (the total without distillation) and `ratio/<term>` per term.
    """
    terms = {name: value for name, value in means.items() if name.startswith(TERM)}
    if not terms or "loss" not in means:
        return dict(means)
    # Not the total less the terms: where distillation ends, both are means of other iterations.
    own = (k for k in means if "loss" in k and k != "loss" and k not in terms)
    detector = sum(means[name] for name in own)
    compared = terms if detector > 0 else {}
    ratios = {f"ratio/{k.removeprefix(TERM)}": value / detector for k, value in compared.items()}
    return {**means, "loss_detector": detector, **ratios}


def report_line(epoch: float, means: Mapping[str, float], evaluated: Mapping[str, float]) -> str:
    """Return `epoch 2: loss 1.23, coco/bbox_mAP 0.456, ...` for the log of a trial."""
    loss = {"loss": means["loss"]} if "loss" in means else {}
    return f"epoch {epoch:g}: " + ", ".join(
        f"{name} {value:.4g}" for name, value in {**loss, **evaluated}.items()
    )


def speed(device: torch.device, images: int, trained: float, evaluated: float) -> dict[str, float]:
    """Return what an interval has taken: images a second, seconds, and the memory of a GPU."""
    found = {"images_per_second": images / trained, "evaluation_seconds": evaluated}
    if device.type == "cuda":
        found["gpu_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return found
