"""Files and data of runs in MLflow: what a trial was trained with and on, and its log."""

from __future__ import annotations

import copy
import json
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from tid_tune.errors import ConfigError
from tid_tune.files import end_of
from tid_tune.ledger.records import Trial
from tid_tune.openmmlab.configs import set_value
from tid_tune.passwords import without_secrets
from tid_tune.results.run_folder import TRIALS
from tid_tune.storage.files import RunFiles as StoredFiles
from tid_tune.storage.objects import StoreError
from tid_tune.tracking.subject import Subject
from tid_tune.tracking.writer import Writer

LOG = "trial.log"
LOG_BYTES = 200_000
"""Of the end of a log."""
CONFIG = "config.json"


class RunFiles:
    """Writes files and data sets to runs.

    Args:
        subject: what the search is about.
        stored: the files of the run folder; None: there is none.
        writer: writes to runs.
        client: writes files.
    """

    def __init__(
        self, subject: Subject, stored: StoredFiles | None, writer: Writer, client: MlflowClient
    ) -> None:
        self._subject = subject
        self._stored = stored
        self._writer = writer
        self._client = client
        self._inputs: list[DatasetInput] | None = None

    def data(self, run: str) -> None:
        """Name the data that a run reads, with the digests of their annotations."""
        if self._inputs is None:
            self._inputs = _inputs(self._subject)
        if self._inputs:
            log = partial(self._client.log_inputs, run, datasets=self._inputs)
            self._writer.files(run, "data sets", log)

    def of_trial(self, run: str, trial: Trial) -> None:
        """Write a trial's config, which mmdet can load, and the end of its log."""
        for name, text in ((CONFIG, self._config(trial)), (LOG, self._log(trial))):
            if text:
                log = partial(self._client.log_text, run, without_secrets(text), name)
                self._writer.files(run, name, log)

    def _config(self, trial: Trial) -> str:
        if self._subject.config is None:
            return ""
        config = copy.deepcopy(self._subject.config)
        try:
            for path, value in trial.edits.items():
                set_value(config, path, value)
            return json.dumps(config.to_dict(), indent=1, default=str)
        except (ConfigError, TypeError, ValueError):  # the trial has failed, and says why
            return ""

    def _log(self, trial: Trial) -> str:
        if self._stored is None:
            return ""
        name = f"{TRIALS}/{trial.id}/{LOG}"
        try:
            # A worker of this machine may still write the same copy: the longer one is newer.
            self._stored.fetch_longer(name)
            return end_of(self._stored.local / name, LOG_BYTES)
        except (OSError, StoreError):  # the trial has none, or its store does not answer
            return ""


def _inputs(subject: Subject) -> list[DatasetInput]:
    found = []
    for file in subject.data:
        digest = file.digest
        if digest:
            source = json.dumps({"uri": file.place})
            data = Dataset(name=file.name, digest=digest, source_type="local", source=source)
            found.append(DatasetInput(data, [InputTag(MLFLOW_DATASET_CONTEXT, file.part)]))
    return found
