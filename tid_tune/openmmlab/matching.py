"""Weights and the model they are loaded into: which names match, and whether that is enough.

mmengine loads what fits and says nothing of the rest, so a file of other names trains from scratch.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from tid_tune.errors import ConfigError

FEW = 0.1
"""Fewer of the model's names than this part are as good as none [ours]."""
HALF = 0.5
"""Weights of another network may fill a part of a model; below this part of both, they do not."""
OTHER_SHAPES = 0.1
"""More names than this part with other shapes, heads left out, are of another network [ours]."""
MOST = 0.9
"""From this part on, what is left is not worth a warning [ours]: a classifier's last layer."""

_COUNTER = "num_batches_tracked"
"""A counter of batch norm: old files lack it, and nothing reads it."""
_HEAD = "head."
"""In names of layers that differ with the number of classes."""


@dataclass(frozen=True)
class Match:
    """What `fit` loaded; counters of batch norm are left out."""

    own: tuple[str, ...]
    """The model's names."""
    given: tuple[str, ...]
    """The file's names."""
    missing: tuple[str, ...]
    """The model's names that the file lacks."""
    superfluous: tuple[str, ...]
    """The file's names that the model lacks."""
    misshapen: Mapping[str, str]
    """Names of both whose shapes differ, and a text with both shapes."""

    @property
    def matched(self) -> int:
        """How many of the model's names were loaded."""
        return len(self.own) - len(self.missing) - len(self.misshapen)

    @property
    def kind(self) -> Literal["all", "most", "part", "few", "other"]:
        """How good the match is: `few` and `other` (another network) are errors."""
        if self._is_few(self.matched + len(self.misshapen)):
            return "few"
        shapes = sum(_HEAD not in name for name in self.misshapen)
        if shapes > OTHER_SHAPES * (self.matched + shapes):
            return "other"
        if self._is_few(self.matched):
            return "few"
        least = min(self._parts(self.matched))
        if least == 1:
            return "all"
        return "most" if least >= MOST else "part"

    def _parts(self, count: int) -> tuple[float, float]:
        """Return which part of the model's and of the file's names this number is."""
        return count / max(len(self.own), 1), count / max(len(self.given), 1)

    def _is_few(self, count: int) -> bool:
        filled, used = self._parts(count)
        return filled < FEW or (filled < HALF and used < HALF)

    def describe(self, source: str, target: str) -> str:
        """Return how many names match, and examples of those that do not."""
        text = f"{self.matched} of {len(self.own)} names of {target} match {source}"
        apart = [
            *_examples(tuple(self.misshapen.values()), "with other shapes"),
            *_examples(self.missing, "not in the file"),
            *_examples(self.superfluous, "only in the file"),
        ]
        return f"{text}; {'; '.join(apart)}" if apart else text

    def require(self, source: str, target: str) -> None:
        """Refuse a match that is none.

        Raises:
            ConfigError: none or few names match, or too many shapes differ.
        """
        if self.kind == "few":
            raise ConfigError(
                f"{source} does not fit {target}: {self.matched or 'none'} of its {len(self.own)} "
                f"names match. A name of the model is `{_odd_one(self.own, self.missing)}`, "
                f"one of the {len(self.given)} names of the file "
                f"`{_odd_one(self.given, self.superfluous)}`. Is it the checkpoint of another "
                "config, or of a part of the model?"
            )
        if self.kind == "other":
            raise ConfigError(
                f"{source} does not fit {target}: {len(self.misshapen)} of {len(self.own)} names "
                f"have other shapes, for example {next(iter(self.misshapen.values()))}. "
                "Is it the checkpoint of another config?"
            )


def fit(model: nn.Module, weights: Mapping[str, Tensor]) -> Match:
    """Load those weights into the model whose names and shapes it has.

    Goes through the model, which renames weights of earlier versions of mmdet itself. On torch's
    meta device nothing is copied, and the match is found all the same.
    """
    own = model.state_dict()
    misfits = {n: v.shape for n, v in own.items() if n in weights and weights[n].shape != v.shape}
    misshapen = {
        name: f"{name} has the shape {tuple(weights[name].shape)} instead of {tuple(shape)}"
        for name, shape in sorted(misfits.items())
    }
    missing: list[str] = []
    superfluous: list[str] = []
    fitting = {name: value for name, value in weights.items() if name not in misfits}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*non-meta parameter.*no-op")
            found = model.load_state_dict(fitting, strict=False)
    except RuntimeError as error:  # of another shape under an earlier name
        for line in str(error).splitlines()[1:]:
            text = line.strip().removesuffix(".")
            misshapen[text] = text
    else:
        missing = [name for name in found.missing_keys if name not in misfits]
        superfluous = found.unexpected_keys
    return Match(
        own=counted(own),
        given=counted(weights),
        missing=counted(missing),
        superfluous=counted(superfluous),
        misshapen=misshapen,
    )


def counted(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names without the counters of batch norm."""
    return tuple(name for name in names if not name.endswith(_COUNTER))


def _examples(items: tuple[str, ...], what: str) -> list[str]:
    if not items:
        return []
    return [f"{len(items)} {what}, for example {items[0]}"]


def _odd_one(names: tuple[str, ...], unmatched: tuple[str, ...]) -> str:
    return next(iter((*unmatched, *names)), "(none)")
