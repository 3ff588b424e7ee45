"""What the runs of a search are written from, and by."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow import MlflowClient

from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.standing import Standing
from tid_tune.tracking.subject import Subject
from tid_tune.tracking.trial_files import RunFiles
from tid_tune.tracking.writer import Writer


@dataclass(frozen=True)
class Context:
    """What is known of a search, and who writes it to MLflow."""

    spec: SearchSpec
    run_id: str
    """Of the search, as the ledger has it."""
    standing: Standing
    """Has taken in every event before the runs do."""
    subject: Subject
    """What the search is about."""
    client: MlflowClient
    """Makes runs."""
    writer: Writer
    """Writes to them."""
    files: RunFiles
    """Writes their files and data sets."""
