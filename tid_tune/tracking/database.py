"""A new MLflow database on disk appears whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy.engine import make_url


def make_database(uri: str) -> None:
    """Make the database that a `sqlite:` URI names if it does not exist.

    MLflow makes its tables in dozens of steps. If a driver is killed in the seconds between them,
    MLflow cannot open what is left. So the tables are made in another file, which is then moved.
    """
    url = make_url(uri) if uri.startswith("sqlite:///") else None
    if url is None or not url.database or Path(url.database).exists():
        return
    path = Path(url.database)
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
