"""Packages that mmdet imports for parts that few configs use, imported when they are used.

torch's compiler, matplotlib, parts of SciPy, imgaug (augmentation of lane lines), scikit-learn
(tracking of videos, the PAA head) and imagecorruptions are half of the time it takes to import
mmdet. While mmdet is imported, stand-ins take their place; what mmdet has of them afterwards
imports the package at its first use. All other code imports the packages themselves.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"
RARELY_USED = (
    COMPILER,
    f"{COMPILER}.utils",
    "imagecorruptions",
    "imgaug",
    "imgaug.augmenters",
    "imgaug.augmentables",
    "imgaug.augmentables.lines",
    "imgaug.augmentables.segmaps",
    "matplotlib",
    "matplotlib.colors",
    "matplotlib.patches",
    "matplotlib.pyplot",
    "scipy",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.sparse.csgraph",
    "sklearn",
    "sklearn.gaussian_process",
    "sklearn.gaussian_process.kernels",
    "sklearn.mixture",
)
"""The modules that mmdet and torchvision import from these packages, and those around them."""


@contextlib.contextmanager
def imported_later(*names: str) -> Iterator[None]:
    """Let stand-ins take the place of modules while the block imports others that name them.

    Modules that are already imported, or whose package is not installed, have none.
    """
    missing = {name.partition(".")[0] for name in names if name not in sys.modules}
    installed = {package for package in missing if importlib.util.find_spec(package) is not None}
    stand_ins = {
        name: _Module(name)
        for name in names
        if name not in sys.modules and name.partition(".")[0] in installed
    }
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        _remove()


def _remove() -> None:
    for name in [name for name, module in sys.modules.items() if isinstance(module, _Module)]:
        del sys.modules[name]


def _real(name: str) -> ModuleType:
    _remove()
    return importlib.import_module(name)


class _Module(ModuleType):
    """Stands in for a module; its attributes are looked up when they are used."""

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":
            return _Path(self.__name__)
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is not self:  # used, after the imports
            return getattr(_real(self.__name__), name)
        known = sys.modules.get(f"{self.__name__}.{name}")
        return known if isinstance(known, _Module) else _Attribute(self.__name__, name)

    def __setattr__(self, name: str, value: object) -> None:
        # Where the module itself has been imported meanwhile.
        target = sys.modules.get(self.__name__, self)
        if target is self:
            super().__setattr__(name, value)
        else:
            setattr(target, name, value)


class _Path:
    """The folders of a package: whoever searches them for another module needs the package."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __iter__(self) -> Iterator[str]:
        return iter(_real(self._package).__path__)


class _Attribute:
    """Stands in for a class or function of a module: may be called, derived from, compared with."""

    def __init__(self, module: str, name: str) -> None:
        self._place = (module, name)

    def _itself(self) -> Any:
        module, name = self._place
        return getattr(_real(module), name)

    def __call__(self, *args: object, **options: object) -> object:
        return self._itself()(*args, **options)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._itself(), name)

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return (self._itself(),)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._itself())


def leave_out_compiler() -> None:
    """Let optimizers do without torch's compiler, until something else of it is asked for.

    They import it to leave their steps out of what is compiled; where nothing is, that is all they
    need. It is the largest package of all that a training imports.
    """
    if COMPILER not in sys.modules:
        sys.modules[COMPILER] = _Compiler(COMPILER)


class _Compiler(ModuleType):
    """Stands in for torch's compiler where nothing is compiled."""

    def graph_break(self, *args: object, **options: object) -> None:
        """Do nothing."""

    def disable(self, function: Any, *args: object, **options: object) -> Any:
        """Return a function as it is."""
        return function

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        if sys.modules.get(COMPILER) is self:
            del sys.modules[COMPILER]
        return getattr(importlib.import_module(COMPILER), name)
