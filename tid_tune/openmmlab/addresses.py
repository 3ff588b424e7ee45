"""Where files of weights are: paths, and the addresses that OpenMMLab's configs use for them."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import torch

from tid_tune.errors import ConfigError, nearest

_SCHEME = re.compile(r"([\w.+-]+)://")
_WEB = ("http", "https")
_ASK_SECONDS = 5.0
"""How long to wait for a server's answer."""


@dataclass(frozen=True)
class Location:
    """A file of weights."""

    address: str
    """As it was named."""
    path: Path
    """The file. What is downloaded is kept in torch's cache, under this path."""
    url: str | None = None
    """Where it can be downloaded; None for a file of this machine."""

    @property
    def is_here(self) -> bool:
        """Whether the file is on this machine."""
        return self.path.is_file()

    @property
    def how_to_get(self) -> str:
        """What to do about a file that is not here, as part of a sentence."""
        if self.url is None:
            return "fix the path"
        return f"download {self.path.name} from {self.url} and put it at {self.path}"

    def check_here(self) -> None:
        """Refuse a file of this machine that is not there.

        Raises:
            ConfigError: it is missing.
        """
        if self.url is None and not self.is_here:
            raise ConfigError(f"there is no checkpoint file {self.path}")

    def fetch(self) -> Path:
        """Return the file's path; download it first if need be.

        Raises:
            ConfigError: it is missing, or cannot be downloaded.
        """
        self.check_here()
        if self.url is not None and not self.is_here:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                # To a temporary file, and renamed when it is whole.
                torch.hub.download_url_to_file(self.url, str(self.path), progress=_on_terminal())
            except (OSError, ValueError, RuntimeError) as error:
                raise ConfigError(
                    f"the weights {self.address} are not on this machine and cannot be downloaded "
                    f"({error}); {self.how_to_get}"
                ) from error
        return self.path


def locate(address: Path | str) -> Location:
    """Return where the weights of `address` are; nothing is read or downloaded.

    An address is a path, an URL, or a name of a model collection: `torchvision://resnet50`,
    `open-mmlab://...`, `mmcls://...`.

    Raises:
        ConfigError: the collection has no such model, or the scheme is not known.
    """
    text = str(address)
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Location(text, Path(text).expanduser())
    if scheme[1] in _WEB:
        return Location(text, _cached(text), text)
    if scheme[1] not in _COLLECTIONS:
        known = ", ".join(f"{name}://" for name in (*_WEB, *_COLLECTIONS))
        raise ConfigError(
            f"weights cannot be read from {text}: expected a path, or an address that begins with "
            f"{known}. Download the file and give its path"
        )
    name, models = text.removeprefix(scheme[0]), _COLLECTIONS[scheme[1]]()
    if name not in models:
        close = nearest(name, models)
        hint = f"; did you mean {scheme[0]}{close}?" if close else ""
        raise ConfigError(f"there are no weights of the name {text}{hint}")
    if urlsplit(models[name]).scheme in _WEB:
        return Location(text, _cached(models[name]), models[name])
    return Location(text, Path(models[name]))


def is_reachable(url: str) -> bool:
    """Return whether the server has the file; after some seconds without an answer, it has not."""
    answers: list[int] = []

    def ask() -> None:
        # Not HEAD, which some servers refuse. The content is not read.
        with (
            contextlib.suppress(OSError, ValueError),
            urllib.request.urlopen(url, timeout=_ASK_SECONDS) as answer,
        ):
            answers.append(answer.status)

    # In a thread: looking up a host's name knows no time limit.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_ASK_SECONDS)
    return bool(answers)


def _cached(url: str) -> Path:
    """Return where torch keeps the file of an URL."""
    name = PurePosixPath(urlsplit(url).path).name
    return Path(torch.hub.get_dir(), "checkpoints", name)


def _on_terminal() -> bool:
    return sys.stderr.isatty()


# mmengine's Runner is imported in these functions: weights are copied without it.


def _torchvision() -> Mapping[str, str]:
    from mmengine.runner.checkpoint import get_torchvision_models

    models: Mapping[str, str] = get_torchvision_models()
    return models


def _open_mmlab() -> Mapping[str, str]:
    from mmengine.runner import checkpoint

    home = checkpoint._get_mmengine_home()
    urls: Mapping[str, str] = checkpoint.get_external_models()
    renamed: Mapping[str, str] = checkpoint.get_deprecated_model_names()
    # The user's own entries, of open_mmlab.json in MMENGINE_HOME, may be paths below it.
    models = {k: v if urlsplit(v).scheme in _WEB else str(Path(home, v)) for k, v in urls.items()}
    return {**models, **{old: models[new] for old, new in renamed.items() if new in models}}


def _mmcls() -> Mapping[str, str]:
    from mmengine.runner.checkpoint import get_mmcls_models

    models: Mapping[str, str] = get_mmcls_models()
    return models


_COLLECTIONS: dict[str, Callable[[], Mapping[str, str]]] = {
    "torchvision": _torchvision,
    "modelzoo": _torchvision,
    "open-mmlab": _open_mmlab,
    "openmmlab": _open_mmlab,
    "mmcls": _mmcls,
}
"""By scheme: URL or path by name."""

OF_CLASSIFIERS = "mmcls://"
"""The collection of classifiers: names in its files begin with `backbone.` or `head.`."""
