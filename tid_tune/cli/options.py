"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from tid_tune.errors import UsageError
from tid_tune.storage.places import uri_of

T = TypeVar("T", Path, Path | None, list[Path])


def local(parameter: typer.CallbackParam, value: T) -> T:
    """Return the path that an option or argument names; for `callback=` of those on this machine.

    Raises:
        UsageError: it is a URI, of which a path would make a folder called `s3:`.
    """
    for path in value if isinstance(value, list) else [value]:
        uri = None if path is None else uri_of(path)
        if uri is not None:
            name = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name
            raise UsageError(
                f"{name} {uri}: expected a local path: this command reads and writes such files on "
                "this machine alone. Name a path, and copy the file from or to the store"
            )
    return value


SpaceFile = Annotated[
    Path, typer.Argument(metavar="SPACE.yaml", help="The search space.", callback=local)
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Override a field; may be repeated."),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")
]
