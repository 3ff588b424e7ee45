"""`--json`: one strict JSON document with the documented keys on stdout, and nothing else.

Every command of the command line is in `ANSWERS` or in `NO_ANSWER`: a new one has to be put there.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from support.analysis_scenes import random_detections, random_truth
from support.search_cases import make_spec
from support.toy import toy_metrics
from support.workplace import CONFIG
from typer.testing import CliRunner

from tid_tune.cli import app
from tid_tune.data.digits import write_digits
from tid_tune.distill.cache.folders import CacheFolder
from tid_tune.distill.cache.store import Store
from tid_tune.ledger.file import Ledger
from tid_tune.plain import json_text, plain
from tid_tune.results.run_folder import RunFolder
from tid_tune.search.simulate import Failure, VirtualClock, simulate
from tid_tune.searchfile.model import Confirm
from tid_tune.space import LogUniform

DOCS = Path(__file__).parents[1] / "docs/json.md"

NO_ANSWER = {
    "init": "writes a project, and says what to do next",
    "submit": "follows a job",
    "schema": "prints JSON already",
    "stop": "asks a process to end",
    "table": "writes a file",
    "report": "writes a file",
    "ui": "starts a server",
    "draw areas": "writes a picture",
    "draw detections": "writes a picture",
    "draw compare": "writes a picture",
    "export": "writes a folder",
    "data digits": "writes a dataset",
    "data split": "writes files",
    "data subset": "writes a file",
    "data voc-to-coco": "writes a file",
    "cache build": "fills a cache; `cache info` prints what is in it",
    "cache clear": "removes caches; `cache info` prints what is there",
}
"""Commands that print no result, and why."""

ANSWERS: dict[str, list[str]] = {
    "list": [],
    "compare": ["runs/toy", "runs/again"],
    "status": ["runs/toy"],
    "leaderboard": ["runs/toy"],
    "show": ["runs/toy", "t0004"],
    "clean": ["runs/toy"],
    "spaces": [],
    "validate": ["toy.yaml", "--quick"],
    "train": ["config.py"],
    "eval": ["config.py", "weights.pth", "--out", "analysis"],
    "data check": ["data"],
    "cache info": ["--dir", "caches"],
    "cache verify": ["config.py"],
    "run": ["toy.yaml"],
}
"""Each command that prints a result, with arguments in the workplace below."""

SPACE = """
name: toy
trial: config.py
trainable: toy.py:Toy
space: {optim_wrapper.optimizer.lr: {log_uniform: [0.001, 0.1]}}
resources: {students: 2}
"""


def commands() -> Iterator[tuple[str, Any]]:
    """All commands with their parsers."""
    top: Any = typer.main.get_command(app)
    for name, command in top.commands.items():
        inside = getattr(command, "commands", None)
        if inside is None:
            yield name, command
        else:
            yield from ((f"{name} {sub}", one) for sub, one in inside.items())


def test_every_command_that_prints_a_result_has_the_option_and_no_other() -> None:
    known = dict(commands())
    assert set(known) == set(ANSWERS) | set(NO_ANSWER), "put a new command in one of the two"
    assert not set(ANSWERS) & set(NO_ANSWER)
    for name, command in known.items():
        options = {option for one in command.params for option in one.opts}
        assert ("--json" in options) == (name in ANSWERS), name


def documented() -> dict[str, set[str]]:
    """The keys of each command's document, as the page has them."""
    found = {}
    for names, keys in re.findall(r"^\| (`.*?) \| (`.*?) \|$", DOCS.read_text(), re.MULTILINE):
        for name in re.findall(r"`(.+?)`", names):
            found[name] = set(re.findall(r"`(.+?)`", keys))
    return found


def objective(work: Any, epoch: float) -> dict[str, float]:
    if work.trial == "t0005":
        raise Failure("oom", 'CUDA "out" of memory')
    return toy_metrics(work, epoch)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a finished run, data, a cache; what takes a model is replaced."""
    folder = tmp_path_factory.mktemp("json")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        _fill(folder)
        for name, double in _doubles(folder).items():
            patch.setattr(name, double)
        yield folder


def _fill(folder: Path) -> None:
    Path("config.py").write_text(CONFIG)
    Path("toy.yaml").write_text(SPACE)
    Path("toy.py").write_text("class Toy: ...")
    Path("teacher.py").write_text("")
    Path("teacher.pth").write_text("")
    spec = make_spec(
        name="toy",
        trial=folder / "config.py",
        epochs=2,
        trials=4,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-1)},
        confirm=Confirm(top=1, seeds=2),
    )
    with Ledger.open(Path("runs/toy/ledger.jsonl"), clock=VirtualClock()) as ledger:
        simulate(spec, objective, ledger=ledger)
    shutil.copytree("runs/toy", "runs/again")
    write_digits(Path("data"), images=60, val_images=6)
    store = Store(CacheFolder(Path("caches/one")), 2**26, {"checkpoint": "teacher.pth"})
    store.put(bytes(20), b"entry")
    store.close()


def _doubles(folder: Path) -> dict[str, Callable[..., Any]]:
    """What stands for trainings and models. They print, as libraries do."""
    from tid_tune.export.cleaning import Leftovers, Spare
    from tid_tune.report.analysis.analysis import analyze
    from tid_tune.trial.cache_work import Compared
    from tid_tune.trial.training import TrainingRecord

    rng = np.random.default_rng(0)
    truth = random_truth(rng)

    def loudly(answer: Any) -> Callable[..., Any]:
        def double(*_: object, **__: object) -> Any:
            print("a library prints")  # noqa: T201
            return answer

        return double

    record = TrainingRecord("config.py", "f", 2, 0, metrics={"coco/bbox_mAP": float("nan")})
    outcome = SimpleNamespace(run=RunFolder(folder / "runs/toy"), complete=True, failed="")
    return {
        "tid_tune.report.analysis.evaluate.evaluate_checkpoint": loudly(
            analyze(truth, random_detections(rng, truth))
        ),
        "tid_tune.trial.training.train": loudly((record, True)),
        "tid_tune.preflight.require": loudly(None),
        "tid_tune.cli.cache._work": loudly(None),
        "tid_tune.trial.cache_work.verify": loudly(Compared(3, 0.0, float("inf"), 0.1)),
        "tid_tune.export.cleaning.leftovers": loudly(
            Leftovers((Spare("t0003", "stopped", "trials/t0003/1.pth", 10),), 1)
        ),
        "tid_tune.searchfile.load": loudly(None),
        "tid_tune.cluster.driver.run_search": loudly(outcome),
    }


def no_constant(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("command", ANSWERS)
def test_stdout_is_one_strict_document_with_the_documented_keys(
    command: str, workplace: Path
) -> None:
    done = CliRunner().invoke(app, [*command.split(), *ANSWERS[command], "--json"])
    assert done.exit_code == (1 if command == "cache verify" else 0), done.output
    document = json.loads(done.stdout, parse_constant=no_constant)
    assert set(document) == documented()[command]
    if command in ("clean", "train", "eval", "cache verify", "run"):
        assert "a library prints" in done.stderr


def test_the_page_has_every_command_and_no_other() -> None:
    assert documented().keys() == ANSWERS.keys()


def test_a_wrong_search_space_is_answered_with_its_errors(workplace: Path) -> None:
    Path("wrong.yaml").write_text("name: wrong\ntrial: config.py\nspcae: {}\n")
    done = CliRunner().invoke(app, ["validate", "wrong.yaml", "--json"])
    assert done.exit_code == 2
    document = json.loads(done.stdout)
    assert document["valid"] is False
    assert any("spcae" in error for error in document["errors"])


def test_a_command_without_an_answer_leaves_stdout_empty(workplace: Path) -> None:
    done = CliRunner().invoke(app, ["status", "runs/tyo", "--json"])
    assert done.stdout == ""
    assert "did you mean runs/toy?" in str(done.exception)


def test_figures_are_those_of_the_ledger(workplace: Path) -> None:
    run = RunFolder(workplace / "runs/toy")

    def answer(*words: str) -> Any:
        return json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)

    rows = answer("leaderboard", "runs/toy")["rows"]
    assert [row["trial"] for row in rows] == [row.trial for row in run.leaderboard()]
    assert len(answer("leaderboard", "runs/toy", "--top", "2")["rows"]) == 2
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert failed["reason"] == 'CUDA "out" of memory'
    assert failed["values"] == {}
    status = answer("status", "runs/toy")
    assert status["best"]["trial"] == run.winner.id if run.winner else None
    assert status["costs"][-1]["epochs"] == sum(row["epochs"] for row in status["costs"][:-1])
    assert status["confirmation"]["winner"] == status["best"]["trial"]
    shown = answer("show", "runs/toy", "t0004")
    assert shown["params"] == run.trial("t0004").params
    assert [r["epoch"] for r in shown["reports"]] == [1, 2]


def test_what_json_does_not_have_becomes_null_or_text() -> None:
    found = plain({1: [float("nan"), np.float64(2.5), np.int64(3), Path("a/b")], "x": {True: -0.0}})
    assert found == {"1": [None, 2.5, 3, "a/b"], "x": {"True": -0.0}}
    assert json.loads(json_text(float("-inf"))) is None
