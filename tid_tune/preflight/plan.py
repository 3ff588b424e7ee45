"""What is about to be trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tid_tune.openmmlab.configs import Config, load_config, set_value
from tid_tune.searchfile.source import DEFAULT_TRAINABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tid_tune.searchfile.model import SearchSpec


@dataclass(frozen=True)
class Plan:
    """A config to train, and the search it belongs to.

    Checks read `config`, which has the fixed values of the search; they do not change it.
    """

    config: Config
    source: Path
    """The config's file, as the user named it."""
    spec: SearchSpec | None = None
    """None: a single training, by `tid-tune train`."""

    @property
    def detects(self) -> bool:
        """Whether the config is trained by our trial, and not by a trainable of the user's."""
        return self.spec is None or self.spec.trainable == DEFAULT_TRAINABLE

    @classmethod
    def of_config(cls, path: Path) -> Plan:
        """Return the plan of a single training."""
        return cls(load_config(path), path)

    @classmethod
    def of_search(cls, spec: SearchSpec) -> Plan:
        """Return the plan of a search; its config has what every trial of it has."""
        config = load_config(spec.trial, imports=spec.trainable == DEFAULT_TRAINABLE)
        for path, distribution in spec.space.items():
            if distribution.is_fixed and not distribution.when:
                set_value(config, path, distribution.value_at(0))
        return cls(config, spec.trial, spec)
