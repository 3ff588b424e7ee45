"""What scripts and notebooks call: `run`, `resume`, and what they return.

import tid_tune

run = tid_tune.run("search_spaces/digits_gfl_tid.yaml", overrides={"trials": 24})
print(run.standing(), run.winner)
table = pandas.DataFrame(run.rows())
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tid_tune import console
from tid_tune.errors import TidTuneError, UsageError
from tid_tune.models import problems
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile import SearchSpec, load
from tid_tune.space import Value
from tid_tune.storage.places import Place, parent, place_of

if TYPE_CHECKING:
    from tid_tune.search.journal import Follower

Overrides = Mapping[str, Value] | Sequence[str]
"""`{"trials": 24, "sampler.seed": 1}`, or the texts of `--set`: `["trials=24"]`."""


def run(
    search: SearchSpec | Path | str,
    *,
    overrides: Overrides = (),
    runs: Place = "runs",
    root: Path | str | None = None,
    address: str | None = None,
    fresh: bool = False,
    callback: Follower | None = None,
    quiet: bool = False,
) -> RunFolder:
    """Run a search on Ray, or resume it, and return its run folder.

    The same as `tid-tune run`: the folder is `runs`/NAME, and calling it again resumes.

    Args:
        search: a search-space file, or what `load` returned.
        overrides: values to change in the file; not with a loaded search.
        runs: the folder that holds the run folders, or its URI, such as `s3://bucket/runs`.
        root: where relative paths of the mmdet config start; None: the current folder.
        address: a Ray cluster; None: `RAY_ADDRESS`, else Ray is started on this machine.
        fresh: move an earlier run of this name aside first.
        callback: called as `callback(event, trial)` after each event of the search, from its
            control loop. Events are the classes of `tid_tune.ledger.events`; `trial` is the record
            of the trial it belongs to, or None. It must return quickly; what it raises is logged.
        quiet: print nothing.

    Raises:
        UsageError: the file, the cluster or the earlier run cannot be used.
        TidTuneError: no trial of the search reached its full length.
    """
    from tid_tune.cluster.driver import run_search

    spec = _loaded(search, overrides)
    where = Path.cwd() if root is None else Path(root)
    with console.silenced(quiet):
        outcome = run_search(
            spec, runs=place_of(runs), root=where, address=address, fresh=fresh, observer=callback
        )
    if outcome.failed:
        raise TidTuneError(outcome.failed)
    return RunFolder(outcome.run.place).read()


def resume(
    folder: RunFolder | Place,
    *,
    root: Path | str | None = None,
    address: str | None = None,
    callback: Follower | None = None,
    quiet: bool = False,
    **changes: object,
) -> RunFolder:
    """Resume the search of a run folder with the spec it was last run with.

    Args:
        folder: the run folder, or its place.
        root: where relative paths of the mmdet config start; None: the current folder.
        address: a Ray cluster; None: `RAY_ADDRESS`, else Ray is started on this machine.
        callback: as of `run`.
        quiet: print nothing.
        changes: fields of the spec to change, for example `trials=48`.

    Raises:
        UsageError: there is no run, or the changes make it another search.
        TidTuneError: no trial of the search reached its full length.
    """
    # Read again: a RunFolder that the caller holds may be older than the search's latest spec.
    place = folder.place if isinstance(folder, RunFolder) else place_of(folder)
    opened = RunFolder.open(place.resolve() if isinstance(place, Path) else place)
    fields = opened.spec.model_dump(mode="json") | changes
    try:
        spec = SearchSpec.model_validate(fields | {"name": opened.name})
    except ValidationError as error:
        raise UsageError(
            f"{opened.place} cannot be resumed with these changes: {problems(error)}"
        ) from None
    return run(
        spec,
        runs=parent(opened.place),
        root=root,
        address=address,
        callback=callback,
        quiet=quiet,
    )


def _loaded(search: SearchSpec | Path | str, overrides: Overrides) -> SearchSpec:
    if isinstance(search, SearchSpec):
        if overrides:
            raise TypeError("overrides change a search-space file; use search.model_copy instead")
        return search
    texts = overrides
    if isinstance(overrides, Mapping):
        texts = [f"{path}={json.dumps(value)}" for path, value in overrides.items()]
    return load(search, list(texts))
