"""What is about to be trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tid_tune.errors import ConfigError
from tid_tune.openmmlab.configs import Config, load_config, set_value
from tid_tune.searchfile.checks.config import read_misspelled
from tid_tune.searchfile.source import DEFAULT_TRAINABLE

if TYPE_CHECKING:
    from pathlib import Path

    from tid_tune.searchfile.loading import Reading
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
    """None: a single training, by `tid-tune train`; or the file of the search is wrong."""
    faulty: frozenset[str] = frozenset()
    """Dotted paths at which something is known to be wrong: what follows from it is not reported.
    """

    @property
    def detects(self) -> bool:
        """Whether the config is trained by our trial, and not by a trainable of the user's."""
        return self.spec is None or self.spec.trainable == DEFAULT_TRAINABLE

    def with_faults(self, places: Iterable[str]) -> Plan:
        """Return the plan with more paths that are known to be wrong."""
        return replace(self, faulty=self.faulty | {place for place in places if place})

    def has_fault(self, *places: str) -> bool:
        """Return whether something is known to be wrong at or below one of these paths."""
        below = tuple(f"{place}." for place in places)
        return any(f"{fault}.".startswith(below) for fault in self.faulty)

    @classmethod
    def of_config(cls, path: Path) -> Plan:
        """Return the plan of a single training."""
        return cls(load_config(path), path)

    @classmethod
    def of_search(cls, spec: SearchSpec) -> Plan:
        """Return the plan of a search; its config has what every trial of it has."""
        imports = spec.trainable == DEFAULT_TRAINABLE
        return cls(load_config(spec.trial, spec.fixed, imports=imports), spec.trial, spec)

    @classmethod
    def of_reading(cls, reading: Reading) -> Plan | None:
        """Return the plan of a search space as far as it can be read; None if it names no config.

        Raises:
            ConfigError: the config cannot be loaded with all that it imports.
        """
        faults = reading.problems.places
        if reading.spec is not None:
            return cls.of_search(reading.spec).with_faults(faults)
        if reading.trial is None:
            return None
        config = load_config(reading.trial)
        for path, value in reading.fixed.items():
            with contextlib.suppress(ConfigError):  # noted with the parameter
                set_value(config, path, value)
        list(read_misspelled(config))  # noted in the reading
        return cls(config, reading.trial).with_faults(faults)
