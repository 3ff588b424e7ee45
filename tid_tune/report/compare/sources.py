"""The data of a run, as far as it can be known when runs are compared."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tid_tune.errors import ConfigError
from tid_tune.report.page.study import Study
from tid_tune.searchfile.checks.data import annotation_files
from tid_tune.variables import resolved

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
    try:
        with Path(resolved(str(path))).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
    except (OSError, ConfigError):
        return UNKNOWN
