"""What Ray is asked so often that an answer of the last seconds has to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Returns the last answer when called, or asks again if that is too old.

    Args:
        ask: returns an answer.
        seconds: that it is good for.
    """

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._answer: T | None = None
        self._until = float("-inf")

    def __call__(self) -> T:
        """Return it."""
        if self._answer is None or time.monotonic() >= self._until:
            self._answer = self._ask()
            self._until = time.monotonic() + self._seconds
        return self._answer

    @property
    def latest(self) -> T | None:
        """The last answer, however old: for those who may not wait, as for a head that is lost."""
        return self._answer
