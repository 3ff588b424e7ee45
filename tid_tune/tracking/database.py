"""A new MLflow database on disk appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy.engine import make_url

from tid_tune.tracking.failures import RefusedError


def make_database(uri: str) -> None:
    """Make the database that a `sqlite:` URI names if it does not exist.

    MLflow makes its tables in dozens of steps. If a driver is killed in the seconds between them,
    MLflow cannot open what is left. So the tables are made in another file, which is then moved.

    Raises:
        RefusedError: its folder does not exist.
    """
    url = make_url(uri) if uri.startswith("sqlite:///") else None
    if url is None or not url.database or Path(url.database).exists():
        return
    path = Path(url.database)
    if not path.parent.is_dir():
        raise RefusedError(f"there is no folder {path.parent} for {path.name}; make it")
    partial = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        client = MlflowClient(url.set(database=str(partial)).render_as_string())
        client.search_experiments(max_results=1)
        _appear(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _appear(partial: Path, path: Path) -> None:
    """Move the file, but leave what another search has made meanwhile."""
    try:
        os.link(partial, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            partial.rename(path)
