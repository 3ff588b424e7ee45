"""`choice`: values without order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from tid_tune.space.distributions.base import YamlForm
from tid_tune.space.distributions.listed import LAYOUT, VALUES, Listed
from tid_tune.space.distributions.registry import register_distribution
from tid_tune.space.values import Value, same


@register_distribution
class Choice(Listed):
    """One of `values`, without order."""

    kind: Literal["choice"] = "choice"

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "choice": YamlForm(LAYOUT, "One of these, without order.", VALUES)
    }
    is_unordered = True

    def narrow(self, values: Sequence[Value]) -> Self:
        """Return the choice between `values`."""
        if not values:
            return self
        kept = tuple(one for one in self.values if any(same(one, seen) for seen in values))
        return self.model_copy(update={"values": kept})
