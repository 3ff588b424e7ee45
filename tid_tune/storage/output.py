"""A folder that a command writes anew: here, or in a store, where it is copied in the end."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tid_tune.errors import UsageError
from tid_tune.storage.objects import PATIENCE, Objects
from tid_tune.storage.places import Place, Uri


@contextlib.contextmanager
def written_folder(place: Place, option: str, *, overwrite: bool) -> Iterator[Path]:
    """Yield the folder of this machine to write to; what is in it then is at `place`.

    Into a store, files are copied in the order in which they were written.

    Args:
        place: of the folder, which need not exist.
        option: by which the user named it.
        overwrite: files of the same names are replaced.

    Raises:
        UsageError: it is a file or, without `overwrite`, not empty; or there is no such bucket.
        StoreError: the store does not answer.
    """
    if isinstance(place, Path):
        if place.exists() and not place.is_dir():
            raise UsageError(f"{option} {place} is a file; name a folder")
        if not overwrite and place.is_dir() and any(place.iterdir()):
            raise _not_empty(option, place)
        yield place
        return
    objects = Objects(Uri.parse(place))
    objects.require_bucket()
    if not overwrite and objects.sizes():
        raise _not_empty(option, place)
    with tempfile.TemporaryDirectory(prefix="tid-tune-") as temporary:
        folder = Path(temporary)
        yield folder
        objects.patience = PATIENCE
        files = [path for path in folder.rglob("*") if path.is_file()]
        for path in sorted(files, key=lambda path: path.stat().st_mtime_ns):
            objects.put(path.relative_to(folder).as_posix(), path)


def _not_empty(option: str, place: Place) -> UsageError:
    return UsageError(f"{option} {place} is not empty; name a new folder, or add --overwrite")
