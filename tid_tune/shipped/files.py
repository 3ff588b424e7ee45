"""Find the shipped search spaces and configs: in a checkout, or in an installed wheel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tid_tune.errors import TidTuneError, UsageError, suggestion
from tid_tune.searchfile.merge import read_tree
from tid_tune.searchfile.problems import Problems

SPACES = "search_spaces"
CONFIGS = "trainables/configs"
_METHOD = re.compile(r"method=[\"'](\w+)[\"']")
_SENTENCE = re.compile(r".*?\.(?=\s|$)")


@dataclass(frozen=True)
class ShippedSpace:
    """One shipped search space.

    Attributes:
        name: the file's name without `.yaml`, as `tid-tune init --from` takes it.
        path: the file.
        config: the config of its trials.
        fields: the fields of the file, with those of the files it is based on.
        purpose: the text of its header comment, paragraph by paragraph.
    """

    name: str
    path: Path
    config: Path
    fields: dict[str, Any]
    purpose: tuple[str, ...]

    @property
    def data(self) -> str:
        """The dataset, for example `digits`."""
        return self.config.parent.name

    @property
    def detector(self) -> str:
        """The student, for example `gfl_r18`."""
        return self.config.stem.removesuffix("_tid")

    @property
    def methods(self) -> tuple[str, ...]:
        """The distillation methods its trials use."""
        stated = self.fields.get("method")
        if stated is None:
            return tuple(_METHOD.findall(self.config.read_text(encoding="utf-8")))
        return (stated,) if isinstance(stated, str) else tuple(stated)

    @property
    def trials(self) -> int:
        """How many points of the space it tries."""
        return int(self.fields["trials"])

    @property
    def summary(self) -> str:
        """The first sentence of its purpose."""
        text = " ".join(self.purpose)
        found = _SENTENCE.match(text)
        return found[0] if found else text


def root() -> Path:
    """Return the folder in which the paths written in the shipped files hold.

    Raises:
        TidTuneError: the installation lacks the files.
    """
    package = Path(__file__).parent
    for folder in (package / "files", package.parents[1]):
        if (folder / SPACES).is_dir() and (folder / CONFIGS).is_dir():
            return folder
    raise TidTuneError(
        f"the shipped search spaces and configs are not in {package / 'files'}; "
        "the installation is incomplete, install tid-tune again"
    )


def spaces() -> list[ShippedSpace]:
    """Return all shipped search spaces, in the order of their names."""
    return [_read(path) for path in sorted((root() / SPACES).glob("*.yaml"))]


def find_space(name: str) -> ShippedSpace:
    """Return the shipped search space called `name`, with or without `.yaml`.

    Raises:
        UsageError: there is none; the message names the nearest.
    """
    wanted = name.removesuffix(".yaml")
    paths = {path.stem: path for path in sorted((root() / SPACES).glob("*.yaml"))}
    if wanted not in paths:
        raise UsageError(
            f"--from {name}: no shipped search space has this name; {suggestion(wanted, paths)} "
            "`tid-tune spaces` lists them."
        )
    return _read(paths[wanted])


def _read(path: Path) -> ShippedSpace:
    problems = Problems()
    tree = read_tree(path, (), problems)
    problems.raise_if_any()
    if tree is None:
        raise TidTuneError(f"{path} cannot be read; install tid-tune again")
    fields = tree.plain()
    return ShippedSpace(path.stem, path, root() / fields["trial"], fields, _purpose(path))


def _purpose(path: Path) -> tuple[str, ...]:
    """Return the header comment without the editor's line, and without commands."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        text = line.removeprefix("#")
        lines.append("" if text.startswith(("   ", " yaml-", " tid-tune ")) else text.strip())
    paragraphs = "\n".join(lines).strip().split("\n\n")
    return tuple(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())
