"""Writes to runs of MLflow: what one run cannot take is left out, everything else arrives.

Each call to MLflow costs milliseconds, whatever is in it. So values are kept until `flush`, which
makes one call of all that a run gets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunStatus, RunTag

from tid_tune.tracking.failures import is_of_an_item
from tid_tune.tracking.names import Names

Item = TypeVar("Item", Metric, Param, RunTag)
BATCH = 100
"""Items of one kind in a call; MLflow takes 100 parameters and 100 tags."""
CALL = 1000
"""Items of all kinds in a call; MLflow takes no more."""
VALUE_LENGTH = 6000
"""MLflow's limit on the length of a parameter's value."""


@dataclass
class _Waiting:
    """What a run gets with the next call."""

    metrics: list[Metric] = field(default_factory=list)
    params: dict[str, Param] = field(default_factory=dict)
    tags: dict[str, RunTag] = field(default_factory=dict)

    @property
    def fits(self) -> bool:
        """Whether it fits into one call."""
        few = len(self.params) <= BATCH and len(self.tags) <= BATCH
        return few and len(self.metrics) + len(self.params) + len(self.tags) <= CALL


class Writer:
    """Writes to runs by their id. Errors that concern a whole server or experiment are raised.

    Attributes:
        refused: what was left out, and why.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._waiting: dict[str, _Waiting] = {}
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
        """Add values of one step at the time `at`, in milliseconds."""
        items = (Metric(self._metric_names(k), v, at, step) for k, v in values.items())
        self._of(run).metrics.extend(items)

    def params(self, run: str, values: Mapping[str, object]) -> None:
        """Add parameters; MLflow keeps the first value of each."""
        for item in (Param(self._key_names(k), str(v)[:VALUE_LENGTH]) for k, v in values.items()):
            self._of(run).params.setdefault(item.key, item)

    def tags(self, run: str, values: Mapping[str, object]) -> None:
        """Add tags."""
        for item in (RunTag(self._key_names(k), str(v)[:VALUE_LENGTH]) for k, v in values.items()):
            self._of(run).tags[item.key] = item

    def _of(self, run: str) -> _Waiting:
        """Return what waits for a run, with room for more."""
        if run in self._waiting and not self._waiting[run].fits:
            self.flush([run])
        return self._waiting.setdefault(run, _Waiting())

    def flush(self, runs: Iterable[str] | None = None) -> None:
        """Write what has been added, of these runs or of all."""
        for run in list(self._waiting) if runs is None else runs:
            waiting = self._waiting.pop(run, None)
            if waiting is not None:
                self._send(run, waiting)

    def _send(self, run: str, waiting: _Waiting) -> None:
        """Write what a run gets; if some of it is refused, or too much, kind by kind."""
        metrics, log = waiting.metrics, self._client.log_batch
        params, tags = list(waiting.params.values()), list(waiting.tags.values())
        if waiting.fits:
            try:
                log(run, metrics=metrics, params=params, tags=tags)
            except Exception as error:
                if not is_of_an_item(error):
                    raise
            else:
                return
        self._write("metric", metrics, lambda some: log(run, metrics=some))
        self._write("parameter", params, lambda some: log(run, params=some))
        self._write("tag", tags, lambda some: log(run, tags=some))

    def state(
        self, run: str, status: str, *, name: str | None = None, at: int | None = None
    ) -> None:
        """Set the status of a run, which has everything by then; also its name and its end.

        This is one call. `MlflowClient` would make three of it, which read the run again each time.

        Args:
            run: its id.
            status: in MLflow's words.
            name: None: as it is.
            at: when it ended, in milliseconds; None: it goes on.
        """
        self.flush([run])
        store, there = self._client._tracking_client.store, RunStatus.from_string(status)
        self._once(run, "status", lambda: store.update_run_info(run, there, at, name))

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
                self.leave_out(f"{kind} {items[0].key}", error)
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
            self.leave_out(f"{what} of the run {run}", error)

    def leave_out(self, what: str, error: Exception) -> None:
        """Note that something is not in MLflow, and why."""
        reason = str(error).strip().splitlines()
        self.refused.setdefault(what, reason[0] if reason else type(error).__name__)
