"""Sections of a search space whose options depend on their `type`: `sampler` and `scheduler`.

The classes that register themselves in `tid_tune.search` declare the options. They are looked up
here when a file or a ledger is read, not on import: a search space can name parts that another
package adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tid_tune.errors import UsageError, suggestion

if TYPE_CHECKING:
    from tid_tune.searchfile.model import SamplerOptions, SchedulerOptions

    PartOptions: TypeAlias = SamplerOptions | SchedulerOptions

Section = Literal["sampler", "scheduler"]

DEFAULT_TYPES: dict[Section, str] = {"sampler": "tpe", "scheduler": "asha"}
"""The sections that name a part, and the part that is used where the section has no `type`."""


@dataclass(frozen=True)
class Refusal:
    """Why a sampler or a scheduler cannot run a search."""

    field: tuple[str, str]
    """The section and the key at fault, for example `("sampler", "type")`."""
    text: str
    """What is wrong and how to fix it."""

    def __str__(self) -> str:
        return f"{'.'.join(self.field)}: {self.text}"


def options_types(section: Section) -> Mapping[str, type[PartOptions]]:
    """Return the options of every registered part of a section, by type."""
    return sampler_types() if section == "sampler" else scheduler_types()


def sampler_types() -> Mapping[str, type[SamplerOptions]]:
    """Return the options of every registered sampler, by type."""
    from tid_tune.search.samplers import SAMPLERS

    return {name: sampler.Options for name, sampler in SAMPLERS.parts().items()}


def scheduler_types() -> Mapping[str, type[SchedulerOptions]]:
    """Return the options of every registered scheduler, by type."""
    from tid_tune.search.schedulers import SCHEDULERS

    return {name: scheduler.Options for name, scheduler in SCHEDULERS.parts().items()}


def default_sampler() -> SamplerOptions:
    """Return the options of a search space without the section `sampler`."""
    return sampler_types()[DEFAULT_TYPES["sampler"]].model_validate({})


def default_scheduler() -> SchedulerOptions:
    """Return the options of a search space without the section `scheduler`."""
    return scheduler_types()[DEFAULT_TYPES["scheduler"]].model_validate({})


def types_with(section: Section, option: str) -> list[str]:
    """Return the types of a section that have an option of this name."""
    types = options_types(section)
    return [name for name, options in types.items() if option in options.model_fields]


def as_options(section: Section, value: Any) -> Any:
    """Return a map as the options of its `type`; anything else as it is.

    Raises:
        UsageError: no part of this type is registered.
        pydantic.ValidationError: the options do not fit the type.
    """
    if not isinstance(value, Mapping):
        return value
    types = options_types(section)
    chosen = value.get("type", DEFAULT_TYPES[section])
    if chosen not in types:
        raise UsageError(
            f"{section}.type: unknown {section} {chosen!r}; {suggestion(chosen, types)}"
        )
    return types[chosen].model_validate({**value, "type": chosen})


def recorded_options(fields: Mapping[str, Any]) -> dict[str, PartOptions]:
    """Return the parts' options of a spec that a ledger has recorded.

    Early ledgers hold the options of all types, and null for a default. What the type does not
    have is dropped. A part that is not installed any more keeps its name, so that its run can
    still be read.
    """
    found: dict[str, PartOptions] = {}
    for section in DEFAULT_TYPES:
        given = fields.get(section)
        if isinstance(given, Mapping):
            model = options_types(section).get(str(given.get("type")), _base(section))
            kept = {k: v for k, v in given.items() if k in model.model_fields and v is not None}
            found[section] = model.model_validate(kept)
    return found


def _base(section: Section) -> type[PartOptions]:
    from tid_tune.searchfile.model import SamplerOptions, SchedulerOptions

    return SamplerOptions if section == "sampler" else SchedulerOptions
