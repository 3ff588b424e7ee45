"""The data of a run, as far as it can be known when runs are compared."""

from __future__ import annotations

from pathlib import Path

from tid_tune.report.page.study import Study
from tid_tune.searchfile.checks.data import annotation_files, annotations_digest

UNKNOWN = "unknown"
_DIGITS = 8


def files_by_loader(study: Study) -> dict[str, list[Path]]:
    """Return the annotation files that the config names now, by dataloader; empty if unreadable."""
    found: dict[str, list[Path]] = {}
    for loader, path in annotation_files(study.config or {}):
        found.setdefault(loader, []).append(path)
    return found


def digest(path: Path) -> str:
    """Return a digest of a file's content, or `unknown` where it cannot be read."""
    return annotations_digest(path, _DIGITS) or UNKNOWN
