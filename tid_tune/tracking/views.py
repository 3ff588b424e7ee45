"""Views of a search in MLflow's user interface: which runs, in which order, with which columns.

MLflow keeps saved views as tags of an experiment, and lists them in the menu `Views` of the page of
its runs. The form is that of MLflow 3.17; an interface that does not know it shows its own view.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from tid_tune.searchfile.model import SearchSpec
from tid_tune.tracking.charts import charts
from tid_tune.tracking.names import allowed, param_names
from tid_tune.tracking.tags import METHOD_TAG, OUTCOME_TAG, PARENT_TAG, REASON_TAG, STAGE_TAG

VIEW_TAG = "mlflow.sharedViewState."
"""Prefix of the tags of an experiment that are its views."""
PARAMS = 8
"""Searched values that have a column."""
ENDED = ("stopped", "failed")
"""Outcomes that have a view of their own."""
WIDTHS = {"attributes.`Run Name`": 320, "runDateAndNestInfo": 150, "duration": 80}
"""Of the columns that MLflow has by itself, in pixels: most names have at most 45 characters."""
METRIC_WIDTH, TAG_WIDTH, REASON_WIDTH = 130, 140, 420


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


def views(spec: SearchSpec, run: str, common: Collection[str] = ()) -> Iterator[View]:
    """Yield the views of a search: all trials, the best first; those stopped; those that failed.

    Args:
        spec: the search.
        run: the id of its run in MLflow.
        common: the paths of searched values that all trials have.
    """
    every = trials_filter(run)
    seen = charts(spec, common)
    yield View(run, spec.name, _state(spec, every, [OUTCOME_TAG, STAGE_TAG], seen))
    for outcome in ENDED:
        which = f'{every} and tags.`{OUTCOME_TAG}` = "{outcome}"'
        name = f"{spec.name}: {outcome}"
        yield View(f"{run}-{outcome}", name, _state(spec, which, [REASON_TAG], seen))


def trials_filter(run: str) -> str:
    """Return what finds the trials of a search in MLflow, by the id of the search's run."""
    return f'tags.{PARENT_TAG} = "{run}"'


def trials_url(server: str, experiment: str, run: str) -> str:
    """Return the address of the page with the trials of a search, in its view."""
    return f"{server.rstrip('/')}/{list_page(experiment, run)}"


def list_pages(experiment: str, run: str) -> dict[str, str]:
    """Return the addresses of the lists of a search's trials within MLflow, by what they list."""
    keys = {"all trials": run} | {one: f"{run}-{one}" for one in ENDED}
    return {words: list_page(experiment, key) for words, key in keys.items()}


def list_page(experiment: str, key: str) -> str:
    """Return the address of a view within MLflow, by its key."""
    page = f"#/experiments/{experiment}/runs?workflowType=machine_learning"
    return f"{page}&viewStateShareKey={quote(key)}"


def search_url(server: str, experiment: str, run: str) -> str:
    """Return the address of the page of a search: its description, its figures, its files."""
    where = f"{server.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
    return f"{where}?workflowType=machine_learning"


def _state(spec: SearchSpec, which: str, tags: list[str], seen: dict[str, object]) -> str:
    """Return a view as JSON.

    Args:
        spec: the search.
        which: finds the trials.
        tags: that have columns, before the searched values.
        seen: the charts.
    """
    names = param_names(spec.space)
    searched = [names[path] for path, one in spec.space.items() if not one.is_fixed][:PARAMS]
    tags = [*tags, METHOD_TAG] if len(spec.method) > 1 else tags
    widths = {f"metrics.`{allowed(name)}`": METRIC_WIDTH for name in (*spec.objectives, "gain")}
    widths |= {f"tags.`{tag}`": REASON_WIDTH if tag == REASON_TAG else TAG_WIDTH for tag in tags}
    columns = [*widths, *(f"params.`{allowed(name)}`" for name in searched)]
    state = {
        "searchFilter": which,
        "orderByKey": columns[0],
        "orderByAsc": spec.sign < 0,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": [*WIDTHS, *columns],
        "columnWidths": WIDTHS | widths,
        **seen,
    }
    return json.dumps(state)
