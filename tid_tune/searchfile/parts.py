"""Sections of a search space whose options depend on their `type`: `sampler` and `scheduler`.

The classes in `tid_tune.search`, and those of other packages, declare the options and register
themselves. They are looked for when a file or a ledger is read, not on import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tid_tune.errors import UsageError, suggestion
from tid_tune.models import Model, Seed
from tid_tune.plugins import Registry

if TYPE_CHECKING:
    from tid_tune.searchfile.model import SearchSpec

Section = Literal["sampler", "scheduler"]

DEFAULT_TYPES: dict[Section, tuple[str, ...]] = {"sampler": ("gp", "tpe"), "scheduler": ("asha",)}
"""The sections that name a part, and the parts that are used where the section has no `type`."""
FEW_TRIALS = 300
"""Up to so many trials the sampler is the first of its default types, beyond it is the second.

A suggestion of `gp` takes some tens of milliseconds and needs fewer trials; with thousands of
trials `tpe` is as good and faster. [ours]
"""


class PartOptions(Model):
    """The options of a part. Each part declares its own, with `type: Literal["NAME"] = "NAME"`."""

    type: str


class SamplerOptions(PartOptions):
    """Base of the options of a sampler: how the next point of the space is proposed."""

    seed: Seed | None = None
    """Makes the suggestions reproducible. None: the spec's `seed`."""


class SchedulerOptions(PartOptions):
    """Base of the options of a scheduler: which trials are stopped before their full length."""

    def rungs(self, epochs: float) -> tuple[float, ...] | None:
        """Return the lengths, in epochs, at which trials of full length `epochs` are compared.

        None: at every report, the default.
        """
        return None


@dataclass(frozen=True)
class Refusal:
    """Why a sampler or a scheduler cannot run a search."""

    field: tuple[str, str]
    """The section and the key at fault, for example `("sampler", "type")`."""
    text: str
    """What is wrong and how to fix it."""

    def __str__(self) -> str:
        return f"{'.'.join(self.field)}: {self.text}"


class SearchPart:
    """What a search space needs to know of a sampler or a scheduler."""

    Options: ClassVar[type[PartOptions]]
    """The model of its options; the default of the field `type` is its name."""

    @classmethod
    def refusals(cls, spec: SearchSpec) -> Iterator[Refusal]:
        """Yield the reasons why this part cannot run a search; extend it for more.

        Asked when a search space is checked, and again before a search begins.
        """
        yield from ()


SAMPLERS: Registry[type[SearchPart]] = Registry(
    "sampler", package="tid_tune.search.samplers", group="tid_tune.samplers"
)
SCHEDULERS: Registry[type[SearchPart]] = Registry(
    "scheduler", package="tid_tune.search.schedulers", group="tid_tune.schedulers"
)


def part_name(part: type[SearchPart]) -> str:
    """Return the `type` by which a search space names a part."""
    return str(part.Options.model_fields["type"].default)


def parts_of(section: Section) -> Mapping[str, type[SearchPart]]:
    """Return every registered part of a section, by type."""
    return (SAMPLERS if section == "sampler" else SCHEDULERS).parts()


def options_types(section: Section) -> Mapping[str, type[PartOptions]]:
    """Return the options of every registered part of a section, by type."""
    return {name: part.Options for name, part in parts_of(section).items()}


def types_with(section: Section, option: str) -> list[str]:
    """Return the types of a section that have an option of this name."""
    types = options_types(section)
    return [name for name, options in types.items() if option in options.model_fields]


def refusals(spec: SearchSpec) -> Iterator[Refusal]:
    """Yield why the sampler or the scheduler of a spec cannot run it."""
    yield from SAMPLERS.get(spec.sampler.type).refusals(spec)
    yield from SCHEDULERS.get(spec.scheduler.type).refusals(spec)


def default_type(section: Section, trials: int = 1) -> str:
    """Return the type that a section without a `type` means in a search of so many trials."""
    types = DEFAULT_TYPES[section]
    return types[0] if trials <= FEW_TRIALS else types[-1]


def is_default_type(options: PartOptions) -> bool:
    """Return whether nobody has named the `type` of these options: the default was taken."""
    return "type" not in options.model_fields_set


def as_options(section: Section, value: Any, trials: int = 1) -> Any:
    """Return a map as the options of its `type`, or of the default for so many `trials`.

    The `type` of options counts as named. Anything else is returned as it is.

    Raises:
        UsageError: no part of this type is registered.
        pydantic.ValidationError: the options do not fit the type.
    """
    if isinstance(value, PartOptions):
        return value.model_copy(update={"type": value.type})
    if not isinstance(value, Mapping):
        return value
    types = options_types(section)
    chosen = value.get("type", default_type(section, trials))
    if chosen not in types:
        raise UsageError(
            f"{section}.type: unknown {section} {chosen!r}; {suggestion(chosen, types)}"
        )
    return types[chosen].model_validate(value)


def recorded_options(fields: Mapping[str, Any]) -> dict[str, PartOptions]:
    """Return the parts' options of a spec that a ledger has recorded.

    Early ledgers hold the options of all types, and null for a default. What the type does not
    have is dropped. A part that is not installed any more keeps its name, so that its run can
    still be read.
    """
    bases: dict[Section, type[PartOptions]]
    bases = {"sampler": SamplerOptions, "scheduler": SchedulerOptions}
    found: dict[str, PartOptions] = {}
    for section in DEFAULT_TYPES:
        given = fields.get(section)
        if isinstance(given, Mapping):
            model = options_types(section).get(str(given.get("type")), bases[section])
            kept = {k: v for k, v in given.items() if k in model.model_fields and v is not None}
            found[section] = model.model_validate(kept)
    return found
