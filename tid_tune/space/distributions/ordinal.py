"""`ordinal`: values in an order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from tid_tune.space.distributions.base import YamlForm
from tid_tune.space.distributions.listed import LAYOUT, VALUES, Listed
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value


@register_distribution
class Ordinal(Listed):
    """One of `values`, in their order: neighbours are taken to behave alike."""

    kind: Literal["ordinal"] = "ordinal"

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "ordinal": YamlForm(LAYOUT, "One of these; neighbours are taken to behave alike.", VALUES)
    }

    def narrow(self, values: Sequence[Value]) -> Self:
        """Return the values from the first to the last of `values`, and one more at each end."""
        at = [index for index in map(self.index_of, values) if index is not None]
        if not at:
            return self
        kept = self.values[max(0, min(at) - 1) : max(at) + 2]
        return self.model_copy(update={"values": kept})
