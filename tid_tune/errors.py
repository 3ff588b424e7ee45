"""The exceptions a user meets, and the hints in their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TidTuneError(Exception):
    """A failure that is shown to the user without a traceback; each argument is one message.

    `exit_code` is the process's exit code when the error reaches the command line:
    1 for work that failed, 2 for a wrong command or wrong input. `at_once` says that the process
    then ends without tidying up, because that would wait for what is gone. `printed` of the
    messages, the first ones, were printed as soon as they were known.
    """

    exit_code = 1
    at_once = False
    printed = 0

    @property
    def messages(self) -> tuple[str, ...]:
        """What is wrong: one message a fault."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "\n".join(self.messages)


class UsageError(TidTuneError):
    """The command, or an input it names, is wrong; nothing was started."""

    exit_code = 2


class SpecError(UsageError):
    """A search-space file is wrong: file, line, path, what was received, how to fix it."""


class ConfigError(UsageError):
    """An mmdet config cannot be used: a missing file or key, or models that do not fit together."""


class DataError(UsageError):
    """A dataset is missing, unreadable, or contradicts itself."""


class TrialError(TidTuneError):
    """A trial failed. `kind` is one of `user`, `nan`, `oom`, `lost`, `crash`.

    Only `lost` (infrastructure) is worth retrying.
    """

    def __init__(self, message: str, kind: str = "crash") -> None:
        super().__init__(message)
        self.kind = kind


def printable(message: str) -> str:
    """Return a message that UTF-8 can hold: lone surrogates, as of file names, become escapes."""
    return message.encode("utf-8", "backslashreplace").decode()


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word most like `word`, ignoring case, or None if none is similar.

    `cutoff`, of 0 to 1, is the least similarity.
    """
    by_lower = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else None


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?`, or the list of known words if none is similar."""
    options = list(known)
    match = nearest(word, options)
    if match is not None:
        return f"did you mean {match!r}?"
    return f"known: {', '.join(options)}"
