"""A search that starts from the best trials of one whose run folder is in a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.search_cases import learning_curve, make_spec

from tid_tune.errors import UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.results.ranking import ranked_full_length
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.engine import Search
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.transfer import Transfer
from tid_tune.storage import lock
from tid_tune.storage.objects import Objects
from tid_tune.storage.places import Uri, child


def test_the_best_trials_of_a_run_in_a_store_are_tried_first(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_SETTLE", 0.0)
    place = str(child(store, "earlier"))
    earlier = RunFolder.driven(place)
    with (
        earlier.files.writing() as written,
        Ledger.open(earlier.ledger, written=written) as ledger,
    ):
        before = simulate(make_spec(trials=3, baseline=False), learning_curve, ledger=ledger)
    best = ranked_full_length(before.state, before.spec)[0]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "laptop"))

    spec = make_spec(transfer=Transfer(run=place, top=1), baseline=False)
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        found = Search.open(spec, ledger).next()
    assert found.edits.items() >= best.params.items()
    assert not list((tmp_path / "laptop").rglob("*")), "no copy stays here"

    Objects(Uri.parse(store)).delete_folder("earlier")
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        resumed = Search.open(spec, ledger).state.transfer
    assert resumed is not None
    assert (resumed.run, resumed.points[0].params) == (place, best.params)
    with (
        Ledger.open(tmp_path / "another.jsonl") as ledger,
        pytest.raises(UsageError, match=r"start_from: .* is no run folder"),
    ):
        Search.open(spec, ledger)
