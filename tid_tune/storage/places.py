"""The places that a user names: paths of this machine, and URIs of a store such as S3."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tid_tune.console import shown_path
from tid_tune.errors import UsageError
from tid_tune.passwords import without_secrets

Place = Path | str
"""A path, or a URI as a string: `s3://bucket/folder`."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_COLLAPSED = re.compile(r"([a-z][a-z0-9+.]+:)/([^/])")
_HOST = re.compile(r"(?:[^:@]*@)?[^:@]*(?::\d+)?")
"""What may stand between `://` and the next `/`: no password."""


@dataclass(frozen=True)
class Uri:
    """A URI without credentials; `str` returns it as it was written, less a slash at its end."""

    scheme: str
    path: str
    """With the bucket: `bucket/folder`; `/folder` of `file:///folder`."""
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a URI.

        Raises:
            UsageError: it has a password, or names no folder.
        """
        scheme, _, rest = text.partition("://")
        path, _, query = rest.partition("?")
        host = path.partition("/")[0]
        if not _HOST.fullmatch(host) or without_secrets(text) != text:
            raise UsageError(
                f"{scheme}://***: a URI of a store must not hold a password or key, because it is "
                "shown, sent to all nodes and recorded. Give each node its credentials: a role, "
                "~/.aws/credentials, or the environment of `ray start`"
            )
        if not path.strip("/"):
            raise UsageError(f"{text}: expected a folder, such as s3://bucket/folder")
        return cls(scheme, path.rstrip("/"), query)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}" + (f"?{self.query}" if self.query else "")

    def child(self, name: str) -> Uri:
        """Return the URI of a file or folder inside."""
        return replace(self, path=f"{self.path}/{name}")

    @property
    def parent(self) -> Uri:
        """The folder that it is in."""
        return replace(self, path=self.path.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    def anywhere(self) -> Uri:
        """Return the URI with the endpoint that this process's environment names, for all nodes."""
        if self.scheme != "s3" or "endpoint_override" in parse_qs(self.query):
            return self
        address = next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
        if not address:
            return self
        parts = urlsplit(address)
        if not parts.hostname or parts.password:
            raise UsageError(
                f"{' or '.join(_ENDPOINTS)} of the environment is no endpoint: expected an address "
                "such as http://host:9000, without a password"
            )
        return self.asking(f"endpoint_override={parts.netloc}&scheme={parts.scheme}")

    def asking(self, query: str) -> Uri:
        """Return the URI with more in its query."""
        return replace(self, query="&".join(filter(None, [self.query, query])))


def place_of(named: Place) -> Place:
    """Return the place that a user named: a path, or a URI as a string.

    Raises:
        UsageError: a URI has a password or names no folder, or was made a path.
    """
    if isinstance(named, str) and "://" in named:
        return str(Uri.parse(named))
    if isinstance(named, Path) and uri_of(named) is not None:
        raise UsageError(f"{named}: pass a URI as a string, since a Path drops one of its slashes")
    return Path(named)


def uri_of(path: Path) -> str | None:
    """Return the URI that was made a path, which drops one of its slashes; None: it is a path."""
    text = str(path)
    return _COLLAPSED.sub(r"\1//\2", text, count=1) if _COLLAPSED.match(text) else None


def child(place: Place, name: str) -> Place:
    """Return the place of a file or folder inside another place."""
    return place / name if isinstance(place, Path) else str(Uri.parse(place).child(name))


def parent(place: Place) -> Place:
    """Return the place that a folder is in."""
    return place.parent if isinstance(place, Path) else str(Uri.parse(place).parent)


def shown(place: Place) -> str:
    """Return a place as a user types it."""
    return str(shown_path(place)) if isinstance(place, Path) else place


def pasted(place: Place) -> str:
    """Return a place as a word of a shell command: with quotes, if it has a `?`, `&` or blank."""
    return shlex.quote(shown(place))


def name_of(place: Place) -> str:
    """Return the last part of a place."""
    return place.name if isinstance(place, Path) else Uri.parse(place).name
