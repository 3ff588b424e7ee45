"""How much disk space a run folder takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from tid_tune.results.run_folder import BEST, RunFolder

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
    files = run.files.sizes()
    checkpoints = _checkpoints(files)
    best = sum(size for name, size in files.items() if name.startswith(f"{BEST}/"))
    return Sizes(sum(files.values()), sum(checkpoints.values()), len(checkpoints), best)


def checkpoint_sizes(run: RunFolder) -> dict[str, int]:
    """Return the sizes of the trials' checkpoints in bytes, by their names in the run folder."""
    return _checkpoints(run.files.sizes("trials"))


def size_text(count: int) -> str:
    """Return a number of bytes in three digits: `1.63 GB`."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {_UNITS[unit]}"


def _checkpoints(files: dict[str, int]) -> dict[str, int]:
    return {n: size for n, size in files.items() if PurePosixPath(n).match("trials/*/*.pth")}
