"""Files of a project that was copied or moved with its run folders."""

from __future__ import annotations

import hashlib
from pathlib import Path


def fingerprint(config: Path) -> str | None:
    """Return a hash of a config's text; None where it cannot be read."""
    try:
        return hashlib.sha256(config.read_bytes()).hexdigest()[:16]
    except OSError:
        return None


def moved_file(recorded: Path, run: Path, text: str | None) -> Path:
    """Return where a recorded file is now.

    Args:
        recorded: its absolute path when the search ran.
        run: the run folder, which was moved with it.
        text: the `fingerprint` it had.

    Returns:
        The recorded path if something is there; else the file with the same text that lies in a
        folder above the run folder as it lay there. The recorded path if there is none.
    """
    if recorded.exists() or text is None:
        return recorded
    for folder in run.absolute().parents:
        for start in range(1, len(recorded.parts)):
            candidate = folder.joinpath(*recorded.parts[start:])
            if fingerprint(candidate) == text:
                return candidate
    return recorded
