"""What a cache answers to a teacher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import overload

from torch import Tensor

from tid_tune.distill.evidence import Evidence
from tid_tune.distill.sampled import Sampled


@dataclass(frozen=True)
class Answer:
    """What a cache has of a batch."""

    features: Sequence[Tensor]
    """The teacher's maps (N, C, H, W) per level, float32."""
    evidence: Evidence
    sampled: Sampled | None = None
    """Which points of the maps are there, where not all are."""


class OnDemand(Sequence[Sequence[Tensor]]):
    """A head's outputs, made when they are first asked for."""

    def __init__(self, make: Callable[[], Sequence[Sequence[Tensor]]]) -> None:
        self._make = make
        self._made: Sequence[Sequence[Tensor]] | None = None

    def _outputs(self) -> Sequence[Sequence[Tensor]]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __bool__(self) -> bool:
        return True  # there are some, made or not

    def __len__(self) -> int:
        return len(self._outputs())

    @overload
    def __getitem__(self, index: int) -> Sequence[Tensor]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sequence[Tensor]]: ...

    def __getitem__(self, index: int | slice) -> Sequence[Tensor] | Sequence[Sequence[Tensor]]:
        return self._outputs()[index]
