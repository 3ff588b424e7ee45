"""What a distillation method is: a module that turns a `Context` into loss terms and log values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor, nn

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.settings import Settings
from tid_tune.errors import ConfigError


@dataclass(frozen=True)
class MethodOutput:
    """Terms of one step.

    `losses` are scalars with a graph under `loss_distill_<term>`, already multiplied by all
    weights, added to the detector's losses. `logs` are detached scalars under `distill/<name>`;
    their names do not contain "loss", or mmengine would add them too.
    """

    losses: dict[str, Tensor]
    logs: dict[str, Tensor] = field(default_factory=dict)


class Method(nn.Module, ABC):
    """A way to teach; built once from its settings and both heads, called at every step.

    It owns what it trains besides the student (such as channel adaptation) and must not keep
    either detector as an attribute: the context brings them. The base counts steps, which go with
    the state dict so that a restored run continues its warm-up.
    """

    uses_teacher_outputs: ClassVar[bool] = True
    """Whether it asks for `context.teacher.outputs`; if not, the teacher's head is not run."""
    spans_ranks: ClassVar[bool] = False
    """Whether, of several ranks, each returns its share of the terms of the whole batch: what they
    are divided by, and statistics, are totals over all ranks (`tid_tune.ranks`)."""

    def __init__(self, settings: Settings, student: HeadAdapter, teacher: HeadAdapter) -> None:
        super().__init__()
        self.settings = settings
        self.iteration = 0

    @abstractmethod
    def forward(self, context: Context) -> MethodOutput:
        """Return the loss terms of this batch, weighted by `self.weight(context)`."""

    def weight(self, context: Context) -> float:
        """Return `loss_weight` times the warm-up factor of this step."""
        return self.settings.loss_weight * self.settings.ramp(context.iteration)

    def weighted(self, context: Context, terms: Mapping[str, tuple[float, Tensor]]) -> MethodOutput:
        """Return the output of a step from each term's own weight and its scalar.

        Every term is logged before weighting, as `distill/<term>_raw`.
        """
        strength = self.weight(context)
        return MethodOutput(
            {
                f"loss_distill_{name}": strength * weight * term
                for name, (weight, term) in terms.items()
            },
            {f"distill/{name}_raw": term.detach() for name, (_, term) in terms.items()},
        )

    def get_extra_state(self) -> Tensor:
        """Return the step counter; a tensor, since checkpoints hold nothing else safely."""
        return torch.tensor(self.iteration)

    def set_extra_state(self, state: Tensor) -> None:
        """Continue counting from a saved counter."""
        self.iteration = int(state)


def require_ranks(name: str, method: type[Method]) -> None:
    """Check that the terms of a method, of this name in configs, add up over a trial's ranks.

    Raises:
        ConfigError: it does not say that they do.
    """
    if not method.spans_ranks:
        raise ConfigError(
            f"resources.ranks: the distillation method {name} does not say how its "
            "terms add up over ranks (spans_ranks); set resources.ranks to 1"
        )


class NoMethod(nn.Module):
    """`none`: holds the settings, so that they can be read back, and does nothing."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
