"""Views of a search in MLflow's user interface: which runs, in which order, with which columns.

MLflow keeps saved views as tags of an experiment, and lists them in the menu `Views` of the page of
its runs. The form is that of MLflow 3.17; an interface that does not know it shows its own view.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.names import allowed, param_names
from tid_tune.tracking.tags import METHOD_TAG, OUTCOME_TAG, PARENT_TAG, REASON_TAG, STAGE_TAG

VIEW_TAG = "mlflow.sharedViewState."
"""Prefix of the tags of an experiment that are its views."""
PARAMS = 8
"""Searched values that have a column."""
ENDED = ("stopped", "failed")
"""Outcomes that have a view of their own."""


@dataclass(frozen=True)
class View:
    """A saved view; `key` identifies it in addresses, `name` in the menu."""

    key: str
    name: str
    state: str
    """As JSON."""

    @property
    def tag(self) -> str:
        """The name of the experiment's tag."""
        return f"{VIEW_TAG}{self.key}"

    def value(self, at: int) -> str:
        """Return the value of the tag; `at` is the time in milliseconds."""
        view = {"name": self.name, "createdAt": at, "updatedAt": at, "state": self.state}
        return json.dumps(view)


def views(spec: SearchSpec, run: str) -> Iterator[View]:
    """Yield the views of a search: all trials, the best first; those stopped; those that failed.

    Args:
        spec: the search.
        run: the id of its run in MLflow.
    """
    metric = f"metrics.`{allowed(spec.first_objective)}`"
    metrics = [f"metrics.`{allowed(name)}`" for name in (*spec.objectives, "gain")]
    names = param_names(spec.space)
    searched = [names[path] for path, dist in spec.space.items() if not dist.is_fixed]
    params = [f"params.`{allowed(name)}`" for name in searched[:PARAMS]]
    known = [_tag(name) for name in (OUTCOME_TAG, STAGE_TAG)]
    method = [_tag(METHOD_TAG)] if len(spec.method) > 1 else []
    every = trials_filter(run)
    columns = [*metrics, *known, *method, *params]
    yield View(run, spec.name, _state(every, metric, spec.sign < 0, columns))
    for outcome in ENDED:
        which = f'{every} and tags.`{OUTCOME_TAG}` = "{outcome}"'
        seen = [*metrics, _tag(REASON_TAG), *method, *params]
        name = f"{spec.name}: {outcome}"
        yield View(f"{run}-{outcome}", name, _state(which, metric, spec.sign < 0, seen))


def trials_filter(run: str) -> str:
    """Return what finds the trials of a search in MLflow, by the id of the search's run."""
    return f'tags.{PARENT_TAG} = "{run}"'


def trials_url(server: str, experiment: str, run: str) -> str:
    """Return the address of the page with the trials of a search, in its view."""
    where = f"{server.rstrip('/')}/#/experiments/{experiment}/runs"
    return f"{where}?workflowType=machine_learning&viewStateShareKey={quote(run)}"


def search_url(server: str, experiment: str, run: str) -> str:
    """Return the address of the page of a search: its description, its figures, its files."""
    where = f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
    return f"{where}?workflowType=machine_learning"


def _tag(name: str) -> str:
    return f"tags.`{name}`"


def _state(which: str, order: str, ascending: bool, columns: list[str]) -> str:
    state = {
        "searchFilter": which,
        "orderByKey": order,
        "orderByAsc": ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
    }
    return json.dumps(state)
