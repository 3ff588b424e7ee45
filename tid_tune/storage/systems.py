"""What reads and writes a URI: a file system of pyarrow's own, else one of fsspec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from tid_tune.errors import UsageError, suggestion
from tid_tune.storage.places import Uri
from tid_tune.words import shortened

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

S3_SECONDS = 10.0
"""Without a byte, after which pyarrow tries a request again; it would wait for ever."""
_S3_OPTIONS = ("scheme", "region", "endpoint_override", "tls_ca_file_path")
"""What a URI of S3 may say in its query: texts that pyarrow takes under the same names."""


def file_system(uri: Uri) -> tuple[FileSystem, str]:
    """Return a file system, and the path of a URI in it.

    Raises:
        UsageError: nothing here can write to such a URI.
        OSError: the store does not answer.
    """
    return _s3(uri.anywhere()) if uri.scheme == "s3" else _other(uri)


def _s3(uri: Uri) -> tuple[FileSystem, str]:
    from pyarrow import fs

    options: dict[str, Any] = dict(parse_qsl(uri.query))
    for name in options:
        if name not in _S3_OPTIONS:
            raise UsageError(f"{uri}: unknown {name!r}; {suggestion(name, _S3_OPTIONS)}")
    path = unquote(uri.path)
    if not options.keys() & {"region", "endpoint_override"}:
        options["region"] = fs.resolve_s3_region(path.partition("/")[0])
    timeouts = {"request_timeout": S3_SECONDS, "connect_timeout": S3_SECONDS}
    # Delayed opening: one request, and not three, for a small file.
    return fs.S3FileSystem(allow_delayed_open=True, **timeouts, **options), path


def _other(uri: Uri) -> tuple[FileSystem, str]:
    from pyarrow import fs

    try:
        system, root = fs.FileSystem.from_uri(str(uri))
    except (ValueError, NotImplementedError) as error:
        try:
            import fsspec

            inner, root = fsspec.core.url_to_fs(f"{uri.scheme}://{uri.path}")
        except (ValueError, ImportError) as other:
            raise UsageError(
                f"{uri}: nothing here writes to such an address: {shortened(str(error), 200)}; "
                f"{shortened(str(other), 200)}"
            ) from None
        system = fs.PyFileSystem(fs.FSSpecHandler(inner))
    return system, str(root).rstrip("/")
