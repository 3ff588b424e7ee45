"""What must hold for the options of a sampler or scheduler, so that a search space can use it."""

from __future__ import annotations

from typing import Any

from tid_tune.plugins import Registry
from tid_tune.searchfile.parts import SamplerOptions, SchedulerOptions


def check_options(
    registry: Registry[Any], part: type[Any], options: SamplerOptions | SchedulerOptions
) -> None:
    """Assert that a part is registered, and that its options are documented and can be recorded.

    Args:
        registry: of the kind of part.
        part: the class.
        options: an instance of its options.
    """
    name = part.Options.model_fields["type"].default
    assert isinstance(name, str), "the field `type` needs a default: type: Literal['NAME'] = 'NAME'"
    assert registry.get(name) is part, f"decorate {part.__name__} with @register_{registry.kind}"
    assert options.type == name
    assert part.Options.__doc__, f"{part.Options.__name__} needs a docstring: editors show it"
    fields = {k: f for k, f in part.Options.model_fields.items() if k != "type"}
    for option, field in fields.items():
        assert field.description, f"the option {option} needs a docstring: editors show it"
        assert not field.is_required(), f"the option {option} needs a default"
    assert part.Options.model_validate(options.model_dump(mode="json")) == options
