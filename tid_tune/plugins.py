"""Parts by name: ours, those a script registers, and those of installed packages.

Distillation methods, detector heads, samplers, schedulers and distributions are each kept in one
`Registry`. Adding a part means writing one module: ours are found by looking into their package,
those of other packages by their entry points.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import pkgutil
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from tid_tune.errors import UsageError, suggestion

Part = TypeVar("Part")
logger = logging.getLogger(__name__)


class Registry(Generic[Part]):
    """The parts of one kind, in order of their names.

    Args:
        kind: what a part is called in messages, for example `sampler`.
        package: the package whose modules hold our parts; each registers its own on import.
        group: the entry point group of other packages, for example `tid_tune.samplers`. An entry
            point names a module, or an object in it; loading it must register the part.
    """

    def __init__(self, kind: str, *, package: str, group: str) -> None:
        self.kind = kind
        self.group = group
        self._package = package
        self._parts: dict[str, Part] = {}
        self._broken: dict[str, str] = {}
        self._loaded = False

    def register(self, name: str, part: Part) -> Part:
        """Add a part under `name` and return it. Registering the same part again does nothing.

        Raises:
            UsageError: another part has this name.
        """
        known = self._parts.get(name)
        if known is not None and _origin(known) != _origin(part):
            raise UsageError(
                f"{self.kind} {name!r} is registered twice: by {_origin(known)} and by "
                f"{_origin(part)}. Rename one of them."
            )
        self._parts[name] = part
        return part

    @contextlib.contextmanager
    def restored_after(self) -> Iterator[None]:
        """Forget at the end of the block what was registered in it; for tests of parts."""
        before = self.parts()
        try:
            yield
        finally:
            self._parts = before

    def get(self, name: str) -> Part:
        """Return the part called `name`.

        Raises:
            UsageError: there is none; the message names the nearest, and plugins that failed.
        """
        part = self.parts().get(name)
        if part is None:
            text = f"unknown {self.kind} {name!r}; {suggestion(name, self.parts())}"
            raise UsageError("\n".join([text, *self._broken.values()]))
        return part

    def names(self) -> list[str]:
        """Return all names, in alphabetical order."""
        return list(self.parts())

    def parts(self) -> dict[str, Part]:
        """Return all parts by name, in alphabetical order."""
        self._load()
        return {name: self._parts[name] for name in sorted(self._parts)}

    def failures(self) -> list[str]:
        """Return one message for each installed plugin that could not be loaded."""
        self._load()
        return list(self._broken.values())

    def _load(self) -> None:
        if self._loaded:
            return
        # First: a part may ask its registry while it is being imported.
        self._loaded = True
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self._package}.{module.name}")
        for point in entry_points(group=self.group):
            try:
                point.load()
            except Exception as error:
                self._broken[point.name] = self._failure(point, error)
                logger.warning("%s", self._broken[point.name])

    def _failure(self, point: EntryPoint, error: Exception) -> str:
        owner = point.dist.name if point.dist is not None else "an installed package"
        return (
            f"the {self.kind} {point.name!r} of {owner} cannot be loaded ({point.value}): "
            f"{type(error).__name__}: {error}. Fix or uninstall {owner}."
        )


def _origin(part: object) -> str:
    module = getattr(part, "__module__", type(part).__module__)
    return f"{module}.{getattr(part, '__qualname__', type(part).__qualname__)}"
