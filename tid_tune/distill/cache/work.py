"""What a teacher and its cache exchange."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from torch import Tensor

from tid_tune.distill.evidence import Evidence

Work = tuple[Sequence[Tensor], Evidence]
"""A teacher's maps (N, C, H, W) per level, and its evidence for the objects of N images."""


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
