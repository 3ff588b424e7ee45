"""How much disk space a run folder takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tid_tune.results.run_folder import RunFolder

_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True)
class Sizes:
    """Bytes on disk, and the number of checkpoints below trials/."""

    run: int
    checkpoints: int
    count: int
    best: int


def disk_sizes(run: RunFolder) -> Sizes:
    """Return the sizes of the folder, of its trials' checkpoints and of best/."""
    checkpoints = [_size(path) for path in run.trials.glob("*/*.pth")]
    return Sizes(_total(run.path), sum(checkpoints), len(checkpoints), _total(run.best))


def size_text(count: int) -> str:
    """Return a number of bytes in three digits: `1.63 GB`."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def _total(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*"))


def _size(path: Path) -> int:
    """Return a file's size; 0 for a folder, and for a file that a running search has deleted."""
    try:
        return path.lstat().st_size if path.is_file() else 0
    except OSError:
        return 0
