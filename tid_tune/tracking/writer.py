"""Writes to runs of MLflow: what one run cannot take is left out, everything else arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from tid_tune.tracking.failures import is_of_an_item
from tid_tune.tracking.names import Names

Item = TypeVar("Item", Metric, Param, RunTag)
BATCH = 100
"""Items of a call; MLflow takes 100 parameters, 100 tags and 1000 metrics."""
VALUE_LENGTH = 6000
"""MLflow's limit on the length of a parameter's value."""


class Writer:
    """Writes to runs by their id. Errors that concern a whole server or experiment are raised.

    Attributes:
        refused: what was left out, and why.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._metric_names = Names()
        self._key_names = Names()
        self.refused: dict[str, str] = {}

    @property
    def renamed(self) -> dict[str, str]:
        """Names that MLflow does not take, and the ones written instead."""
        return self._key_names.replaced | self._metric_names.replaced

    def know(self, metrics: Mapping[str, float]) -> None:
        """Give names to metrics that are in MLflow already, in their order."""
        for name in metrics:
            self._metric_names(name)

    def metrics(self, run: str, values: Mapping[str, float], at: int, step: int) -> None:
        """Write values of one step at the time `at`, in milliseconds."""
        items = [Metric(self._metric_names(k), v, at, step) for k, v in values.items()]
        self._write("metric", items, lambda some: self._client.log_batch(run, metrics=some))

    def params(self, run: str, values: Mapping[str, object]) -> None:
        """Write parameters; MLflow keeps the first value of each."""
        items = [Param(self._key_names(k), str(v)[:VALUE_LENGTH]) for k, v in values.items()]
        self._write("parameter", items, lambda some: self._client.log_batch(run, params=some))

    def tags(self, run: str, values: Mapping[str, object]) -> None:
        """Write tags."""
        items = [RunTag(self._key_names(k), str(v)[:VALUE_LENGTH]) for k, v in values.items()]
        self._write("tag", items, lambda some: self._client.log_batch(run, tags=some))

    def status(self, run: str, status: str) -> None:
        """Set the status of a run that goes on."""
        self._once(run, "status", lambda: self._client.update_run(run, status=status))

    def end(self, run: str, status: str, at: int | None = None) -> None:
        """Set the status of a run that is over."""
        self._once(run, "end", lambda: self._client.set_terminated(run, status, end_time=at))

    def files(self, run: str, what: str, write: Callable[[], None]) -> None:
        """Write files by `write`."""
        self._once(run, what, write)

    def _write(self, kind: str, items: list[Item], send: Callable[[list[Item]], object]) -> None:
        for begin in range(0, len(items), BATCH):
            self._halve(kind, items[begin : begin + BATCH], send)

    def _halve(self, kind: str, items: list[Item], send: Callable[[list[Item]], object]) -> None:
        """Send items; if they are refused, each half of them, down to the one that is."""
        try:
            send(items)
        except Exception as error:
            if not is_of_an_item(error):
                raise
            if len(items) == 1:
                self._leave_out(f"{kind} {items[0].key}", error)
                return
            middle = len(items) // 2
            for half in (items[:middle], items[middle:]):
                self._halve(kind, half, send)

    def _once(self, run: str, what: str, write: Callable[[], object]) -> None:
        try:
            write()
        except Exception as error:
            if not is_of_an_item(error):
                raise
            self._leave_out(f"{what} of the run {run}", error)

    def _leave_out(self, what: str, error: Exception) -> None:
        reason = str(error).strip().splitlines()
        self.refused.setdefault(what, reason[0] if reason else type(error).__name__)
