"""What a user names: addresses of stores, right and wrong, where a command takes a place or not."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
import typer
from support.object_store import s3_uri
from support.search_cases import make_spec
from support.workplace import CONFIG
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.cli.options import local
from tid_tune.cluster import driver
from tid_tune.errors import UsageError
from tid_tune.results.run_folder import RunFolder
from tid_tune.searchfile import load
from tid_tune.storage.objects import Objects, StoreError
from tid_tune.storage.output import written_folder
from tid_tune.storage.places import Place, Uri, child


def _commands(group: typer.Typer) -> Iterator[Callable[..., Any]]:
    yield from (one.callback for one in group.registered_commands if one.callback is not None)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _commands(inner.typer_instance)


def _paths() -> Iterator[tuple[str, object]]:
    """Yield each parameter of a command that is a path, and its callback."""
    for command in _commands(app):
        hints = get_type_hints(command, include_extras=True)
        for name, hint in hints.items():
            if get_origin(hint) is Annotated and "Path" in str(get_args(hint)[0]):
                yield f"{command.__name__} {name}", get_args(hint)[1].callback


def test_each_local_path_of_a_command_is_kept_from_being_a_uri() -> None:
    found = dict(_paths())
    assert {"table out", "report out", "evaluate out", "areas out"} <= found.keys()
    assert [name for name, callback in found.items() if callback is not local] == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["table", "runs/x", "s3://bucket/t.csv"], "out s3://bucket/t.csv"),
        (["report", "runs/x", "--out", "s3://bucket/r.html"], "--out s3://bucket/r.html"),
        (["eval", "c.py", "c.pth", "--out", "gs://bucket/e"], "--out gs://bucket/e"),
        (["draw", "areas", "runs/x", "--out", "s3://bucket/a"], "--out s3://bucket/a"),
        (["data", "voc-to-coco", "a.txt", "s3://b/c.txt", "--out", "x"], "lists s3://b/c.txt"),
    ],
)
def test_a_uri_is_refused_where_a_command_takes_a_local_path(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"{named}: expected a local path" in _failing(*arguments)
    assert not list(tmp_path.iterdir())


def test_an_export_goes_into_a_store_whole_and_not_over_another(store: str) -> None:
    place = str(Uri.parse(store).child("student"))
    with written_folder(place, "--out", overwrite=False) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "config.py").write_text("a = 1")
    objects = Objects(Uri.parse(place))
    assert objects.read("sub/config.py") == b"a = 1"
    with (
        pytest.raises(UsageError, match=r"--out .*student.* is not empty.*--overwrite"),
        written_folder(place, "--out", overwrite=False),
    ):
        pass
    with written_folder(place, "--out", overwrite=True) as folder:
        (folder / "new.py").write_text("b = 1")
    assert set(objects.sizes()) == {"sub/config.py", "new.py"}


def _failing(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert isinstance(done.exception, UsageError), (done.output, done.exception)
    assert done.exception.exit_code == 2
    return str(done.exception)


def _elsewhere(s3: str, path: str) -> str:
    return s3_uri(s3, path).replace("s3://bucket/", "s3://")


def test_a_bucket_or_folder_that_is_not_there_is_an_error_and_no_empty_list(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no bucket 'wrong'" in _failing("list", "--runs", _elsewhere(s3, "wrong/runs"))
    assert "no bucket 'wrong'" in _failing("status", _elsewhere(s3, "wrong/runs/x"))
    assert "no such folder" in _failing("list", "--runs", s3_uri(s3, "none"))
    assert "no such folder" in _failing("list", "--runs", str(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    assert "no runs in runs" in CliRunner().invoke(app, ["list"]).output


def test_a_search_is_refused_before_ray_where_its_store_cannot_be_used(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_session", None)
    spec = make_spec(trial=tmp_path / "config.py")
    for runs, match in (
        (_elsewhere(s3, "wrong/runs"), "no bucket 'wrong'"),
        ("s3://bucket/runs?scheme=http&endpoint_override=127.0.0.1:1", "cannot be used"),
    ):
        with pytest.raises(UsageError, match=match):
            driver.run_search(spec, runs=runs, root=tmp_path)


def test_what_a_store_answers_is_shown_without_its_request_id(s3: str) -> None:
    with pytest.raises(StoreError, match="bucket does not exist") as refused:
        Objects(Uri.parse(_elsewhere(s3, "wrong/runs"))).write("a", b"")
    assert "Request ID" not in str(refused.value)


@pytest.mark.parametrize("query", ["", "?a=1&b=2"])
def test_a_file_in_a_store_stands_before_the_query_and_is_quoted_for_a_shell(query: str) -> None:
    run = RunFolder(f"memory://runs/toy{query}")
    assert run.shown("best/values.yaml") == f"memory://runs/toy/best/values.yaml{query}"
    assert shlex.split(run.pasted()) == [run.shown()]


def _write_run(place: Place) -> None:
    uri = Uri.parse(str(place))
    Objects(uri).write("ledger/00000.jsonl", b"{}\n")


def test_a_folder_of_runs_is_no_run_and_the_message_names_one_in_it(folder: str) -> None:
    _write_run(child(folder, "toy"))
    with pytest.raises(UsageError, match=rf"such as {folder}/toy$"):
        RunFolder.open(folder)
    with pytest.raises(UsageError, match=rf"`tid-tune list --runs {folder}` shows"):
        RunFolder.open(child(folder, "another"))


def test_a_search_starts_from_a_file_of_values_in_a_store(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.py").write_text(CONFIG)
    named = str(Uri.parse(store).child("toy/best/values.yaml"))

    def spec() -> object:
        Path("space.yaml").write_text(
            "name: toy\ntrial: config.py\ntrainable: toy.py:Toy\nepochs: 1\nobjective: value\n"
            "space: {optim_wrapper.optimizer.lr: {uniform: [0.1, 0.9]}}\n"
            f"start_from: '{named}'\n"
        )
        return load("space.yaml", check_files=False).start_from

    Path("toy.py").touch()
    with pytest.raises(UsageError, match=r"start_from.*no file"):
        spec()
    uri = Uri.parse(named)
    Objects(uri.parent).write(uri.name, b"- optim_wrapper.optimizer.lr: 0.5\n")
    assert spec() == ({"optim_wrapper.optimizer.lr": 0.5},)
