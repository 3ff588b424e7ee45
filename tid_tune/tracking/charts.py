"""The first sections of the charts of a search's trials in MLflow's user interface.

MLflow makes a chart of each metric, in sections in the order of the alphabet. What a search is
about comes before these; MLflow adds its own sections behind. The form is that of MLflow 3.17.
"""

from __future__ import annotations

from collections.abc import Collection

from tid_tune.searchfile.model import SearchSpec
from tid_tune.space.distributions.numeric import Numeric
from tid_tune.space.space import METHOD_PATH
from tid_tune.tracking.names import LOG10, allowed, param_names, rung_name, short_names

SECTIONS = {"search": 3, "searched values": 1}
"""How many charts are beside each other: the axes of parallel coordinates need the whole width."""
AXES = 8
"""Searched values in parallel coordinates; more have no room."""


def charts(spec: SearchSpec, common: Collection[str]) -> dict[str, object]:
    """Return the charts of a view: objectives by epoch, at full length, gain, and values.

    Args:
        spec: the search.
        common: the paths of searched values that all trials have: a run without one of them is left
            out of parallel coordinates.
    """
    short = short_names(spec.objectives)
    full = [rung_name(one, float(spec.epochs), spec.epochs) for one in short.values()]
    names = param_names([*spec.space, METHOD_PATH])
    searched = [path for path, one in spec.space.items() if not one.is_fixed and path in common]
    axes = [_axis(names[path], spec.space[path]) for path in searched[:AXES]]
    if len(spec.method) > 1 and METHOD_PATH in common:
        axes.insert(0, names[METHOD_PATH])
    curves = [
        *(_line(allowed(name)) for name in spec.objectives),
        *(_bars(allowed(name)) for name in full),
        _line("gain"),
    ]
    values = [_parallel(axes, [allowed(name) for name in full])] if axes else []
    found = {name: some for name, some in zip(SECTIONS, (curves, values), strict=True) if some}
    return {
        "compareRunCharts": [
            {"uuid": f"{name}-{number}", "metricSectionId": name, **_COMMON, **chart}
            for name, some in found.items()
            for number, chart in enumerate(some)
        ],
        "compareRunSections": [_section(name) for name in found],
        "isAccordionReordered": True,  # else they are sorted
    }


_COMMON = {"deleted": False, "isGenerated": False, "runsCountToCompare": 10}


def _section(name: str) -> dict[str, object]:
    flags = {"display": True, "isReordered": False, "deleted": False}
    return {"uuid": name, "name": name, "columns": SECTIONS[name], **flags}


def _line(metric: str) -> dict[str, object]:
    return {
        "type": "LINE",
        "metricKey": metric,
        "displayName": metric,
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }


def _bars(metric: str) -> dict[str, object]:
    return {"type": "BAR", "metricKey": metric, "displayName": metric}


def _parallel(params: list[str], metrics: list[str]) -> dict[str, object]:
    shown = {"selectedParams": params, "selectedMetrics": metrics}
    return {"type": "PARALLEL", "showAllRuns": True, **shown}


def _axis(name: str, distribution: object) -> str:
    """Return the parameter of an axis: the logarithm where a value is searched on a log scale."""
    is_log = isinstance(distribution, Numeric) and distribution.is_log
    return allowed(f"{LOG10}{name}" if is_log else name)
