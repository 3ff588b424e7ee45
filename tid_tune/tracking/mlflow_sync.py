"""Copies the ledger to MLflow: one parent run per search, one child run per trial.

The ledger is written by the search, whatever MLflow does. A `Mirror` reads it from its own offset
and brings MLflow up to date; how far each child has come is kept on the MLflow side as a metric, so
that copying again after a crash, a resume or a dead server adds what is missing and nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from tid_tune.ledger.events import Event
from tid_tune.ledger.records import Trial
from tid_tune.results.run_folder import BEST
from tid_tune.searchfile.model import SearchSpec
from tid_tune.storage.files import RunFiles as StoredFiles
from tid_tune.tracking.address import Address
from tid_tune.tracking.context import Context
from tid_tune.tracking.failures import RefusedError, is_passing
from tid_tune.tracking.interface import Place
from tid_tune.tracking.registry import register_student
from tid_tune.tracking.search_run import SearchRun
from tid_tune.tracking.standing import Standing
from tid_tune.tracking.subject import NOTHING, Subject
from tid_tune.tracking.summary import verdict
from tid_tune.tracking.tags import RUN_TAG, TRIAL_TAG
from tid_tune.tracking.trial_files import RunFiles
from tid_tune.tracking.trial_runs import TrialRuns
from tid_tune.tracking.views import View, views
from tid_tune.tracking.writer import Writer

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""A tag of experiments: MLflow's interface opens them as trainings, not as conversations."""


class Mirror:
    """Applies ledger events to one MLflow experiment. Not thread-safe; errors are MLflow's.

    Attributes:
        writer: knows what was left out, and which names were replaced.
    """

    def __init__(
        self,
        spec: SearchSpec,
        run_id: str,
        address: Address,
        subject: Subject = NOTHING,
        stored: StoredFiles | None = None,
    ) -> None:
        self._spec = spec
        self._run_id = run_id
        self._address = address
        self._client = client = MlflowClient(tracking_uri=address.uri)
        self.writer = writer = Writer(client)
        self._standing = Standing(spec)
        files = RunFiles(subject, stored, writer, client)
        context = Context(spec, run_id, self._standing, subject, client, writer, files)
        self._search, self._trials = SearchRun(context), TrialRuns(context)
        self._tags: dict[str, str] = {}
        self._common = subject.common_paths(spec)
        self.experiment_id = ""

    def connect(self, began: float | None = None) -> None:
        """Find or make the experiment and the parent run, and learn how far each child is.

        Args:
            began: when the search was opened first, in seconds; None: now.

        Raises:
            RefusedError: the experiment is deleted.
        """
        self.experiment_id = self._experiment()
        self._search.experiment = self._trials.experiment = self.experiment_id
        for run in self._runs():
            if TRIAL_TAG in run.data.tags:
                self._trials.find(run)
            else:
                self._search.find(run)
        self._search.make(began)
        self._trials.parent = self._search.run
        for view in views(self._spec, self._search.run, self._common):
            self._keep(view)

    def _keep(self, view: View) -> None:
        """Save a view of the search, unless it is there: a user may have changed it."""
        if view.tag not in self._tags:
            value = view.value(int(time.time() * 1000))
            keep = partial(self._client.set_experiment_tag, self.experiment_id, view.tag, value)
            self.writer.files(self.experiment_id, f"the view {view.name}", keep)

    def _experiment(self) -> str:
        address = self._address
        number, name = address.experiment_id, address.experiment
        client = self._client
        by_name = client.get_experiment_by_name(name) if number is None else None
        found = by_name if number is None else client.get_experiment(number)
        if found is None:
            return str(client.create_experiment(address.experiment, tags=KIND))
        if found.lifecycle_stage != "active":
            raise RefusedError(
                f"the experiment {found.name!r} is deleted. Restore it with `mlflow experiments "
                f"restore --experiment-id {found.experiment_id}`, or name another one in "
                "tracking.experiment"
            )
        self._tags = dict(found.tags)
        return str(found.experiment_id)

    def _runs(self) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id],
                filter_string=f"tags.`{RUN_TAG}` = '{self._run_id}'",
                max_results=1000,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    @property
    def place(self) -> Place:
        """Where the search is in MLflow."""
        return Place(self.experiment_id, self._search.run)

    def apply(self, event: Event) -> None:
        """Take in one event, which is in MLflow after `flush`; those already there are skipped."""
        trial = self._standing.apply(event)
        if trial is not None:
            self._trials.apply(event, trial)
        self._search.apply(event)

    def flush(self) -> None:
        """Bring MLflow up to date with the events so far."""
        self._trials.flush()
        self._search.flush(self._link)
        self.writer.flush()

    def interrupt(self) -> None:
        """Mark the parent run as one that is not running, unless the search is over."""
        self._search.interrupt()

    def log_result(self, metrics: Mapping[str, float], artifacts: Iterable[str]) -> None:
        """Write the search's own figures, files and folders to the parent run, and its status.

        Once the search has decided for a student, and its folder is among the files, it is
        registered as a model.
        """
        paths = list(artifacts)
        self._trials.flush(last=True)
        self._search.log_result(metrics, paths, self._link)
        state, winner = self._standing.state, self._standing.winner
        there = any(Path(path).name == BEST for path in paths)
        if there and winner is not None and state.closed is not None and state.result is not None:
            self._register(winner)

    def _register(self, winner: Trial) -> None:
        text = verdict(self._standing, self._spec)
        run, name = self._search.run, self._spec.name
        try:
            register_student(self._client, name, run, self._run_id, winner, text)
        except Exception as error:
            # A server may have no registry, or refuse it: the runs are there all the same.
            if is_passing(error):
                raise
            self.writer.leave_out(f"the registered model {name}", error)

    def _link(self, trial: Trial) -> str:
        """Return a trial as a link to its run, in Markdown."""
        run = self._trials.id_of(trial)
        return f"[{trial.id}](#/experiments/{self.experiment_id}/runs/{run})" if run else trial.id
