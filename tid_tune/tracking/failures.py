"""What an error of MLflow means: it passes, one item is refused, or somebody has to act."""

from __future__ import annotations

from mlflow.exceptions import MlflowException

_PASSING = {
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "RESOURCE_ALREADY_EXISTS",  # made by another search at the same moment: it is found next time
    "RESOURCE_CONFLICT",
    "RESOURCE_EXHAUSTED",
    "TEMPORARILY_UNAVAILABLE",
}
_OF_ALL = {"CUSTOMER_UNAUTHORIZED", "ENDPOINT_NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED"}
_LASTING_WORDS = ("out-of-date database schema", "unable to open database", "readonly database")
"""In the texts of errors whose code is that of passing ones."""
_BUSY_WORDS = "database is locked"
"""In the texts of errors of sqlite's, which come as they are while a connection begins."""
_DELETED_WORDS = "must be in the 'active' state"
"""In the texts of errors whose code is that of a refused item."""


class RefusedError(Exception):
    """MLflow cannot take the search until somebody has acted; the text says what to do."""


def is_passing(error: Exception) -> bool:
    """Return whether the same call may succeed later by itself: no answer, busy, overloaded."""
    if any(words in str(error) for words in _LASTING_WORDS):
        return False
    if _BUSY_WORDS in str(error):
        return True
    if isinstance(error, MlflowException):
        return error.error_code in _PASSING
    lasting = FileNotFoundError | NotADirectoryError | PermissionError
    return isinstance(error, OSError) and not isinstance(error, lasting)


def is_deleted(error: Exception) -> bool:
    """Return whether the run or experiment that was written to has been deleted."""
    return isinstance(error, MlflowException) and _DELETED_WORDS in str(error)


def is_of_an_item(error: Exception) -> bool:
    """Return whether MLflow refuses what one call wrote, and might take something else."""
    return (
        isinstance(error, MlflowException)
        and not is_passing(error)
        and not is_deleted(error)
        and error.error_code not in _OF_ALL
        and not any(words in str(error) for words in _LASTING_WORDS)
    )
