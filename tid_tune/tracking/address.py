"""Where a search is copied to: MLflow's address and experiment, of the spec or the environment."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.passwords import is_masked, without_secrets
from tid_tune.searchfile.model import SearchSpec

URI_VARIABLE = "MLFLOW_TRACKING_URI"
NAME_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
ID_VARIABLE = "MLFLOW_EXPERIMENT_ID"
DEFAULT_DATABASE = "mlflow.db"
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_HOME = re.compile(r"(sqlite:///|file:///|file://|file:|)(~[^?#]*)")


@dataclass(frozen=True)
class Address:
    """An MLflow server or database, and the experiment there."""

    uri: str
    """As MLflow takes it; may have a password."""
    experiment: str
    experiment_id: str | None = None
    """Instead of the name, where only the environment names an experiment, by its number."""
    variables: tuple[str, ...] = ()
    """Of the environment, which gave a part of it."""
    is_default: bool = False
    """Whether the URI is the database in the current folder."""

    @property
    def shown(self) -> str:
        """The URI without passwords."""
        return without_secrets(self.uri)


def address_of(spec: SearchSpec, root: Path) -> Address:
    """Return where a search is copied to.

    What the spec does not set is taken from MLflow's own environment variables; else it is a
    database in `root` and an experiment named like the search.

    Raises:
        UsageError: the URI names a variable that is not set, is a file without a scheme, or comes
            from a ledger, which has no passwords.
    """
    tracking, variables = spec.tracking, []
    uri = "" if tracking.uri is None else expanded(tracking.uri)
    if not uri and (uri := os.environ.get(URI_VARIABLE, "")):
        variables.append(URI_VARIABLE)
    experiment, number = tracking.experiment or "", None
    if not experiment and (experiment := os.environ.get(NAME_VARIABLE, "")):
        variables.append(NAME_VARIABLE)
    if not experiment and (number := os.environ.get(ID_VARIABLE) or None):
        variables.append(ID_VARIABLE)
    return Address(
        uri=uri or sqlite_uri(root / DEFAULT_DATABASE),
        experiment=experiment or spec.name,
        experiment_id=number,
        variables=tuple(variables),
        is_default=not uri,
    )


def default_address(root: Path) -> Address:
    """Return where searches are copied to whose specs set nothing; it names no experiment."""
    uri = os.environ.get(URI_VARIABLE, "")
    return Address(uri or sqlite_uri(root / DEFAULT_DATABASE), "", is_default=not uri)


def sqlite_uri(path: Path) -> str:
    """Return the URI of a database file; characters that mean something in a URI are quoted."""
    quoted = re.sub("[%?#]", lambda found: f"%{ord(found[0]):02X}", str(path))
    return f"sqlite:///{quoted}"


def expanded(uri: str) -> str:
    """Return a spec's URI with `~`, `$NAME` and `${NAME}` replaced.

    Raises:
        UsageError: a variable is not set, the URI is a database file without a scheme, or its
            password is masked.
    """
    if is_masked(uri):
        raise UsageError(
            f"tracking.uri: {uri} has no password, because the ledger records none. Give the whole "
            "address again, or one that names an environment variable, as in http://me:$NAME@host"
        )
    uri = _VARIABLE.sub(_value, uri.strip())
    home = _HOME.match(uri)
    if home is not None:
        uri = home[1] + os.path.expanduser(home[2]) + uri[home.end() :]
    if re.fullmatch(r"[^:]*\.(db|sqlite3?)", uri):
        raise UsageError(
            f"tracking.uri: {uri!r} has no scheme; for a database file, write sqlite:///{uri}"
        )
    return uri


def _value(found: re.Match[str]) -> str:
    name = found[1] or found[2]
    if name not in os.environ:
        raise UsageError(
            f"tracking.uri: the environment variable {name} is not set. Set it; or write %24 for a "
            "dollar sign that belongs to the address"
        )
    return os.environ[name]
