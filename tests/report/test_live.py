"""What a running search shows on a terminal, and in a log."""

from __future__ import annotations

import io
import logging
import re
import time
from typing import Any

import pytest
from rich.console import Console
from support.search_cases import OBJECTIVE, learning_curve, make_spec, sampler_of, scheduler_of

from tid_tune import console
from tid_tune.ledger.file import Ledger
from tid_tune.report import live
from tid_tune.report.leaderboard import to_text
from tid_tune.report.live import View
from tid_tune.report.live_table import live_table
from tid_tune.report.progress import LEADERS, Progress
from tid_tune.results.ranking import leaderboard
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import Failure, Simulator, VirtualClock
from tid_tune.search.simulated_nodes import Node
from tid_tune.search.stages.plan import stages
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.space import Uniform

REASON = (
    "RuntimeError: expected all tensors to be on the same device, but found two: cuda:0 and cpu"
)


def objective(work: Assignment, epoch: float) -> dict[str, float]:
    if work.trial == "t0005":
        raise Failure("crash", f"{REASON}; {REASON}")
    return {**learning_curve(work, epoch), f"teacher/{OBJECTIVE}": 0.744}


def followed(spec: SearchSpec) -> tuple[Progress, Simulator]:
    clock = VirtualClock(now=time.time())
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    nodes = [Node("node-a", 2), Node("node-b", 2)]
    progress = Progress(search, sum(stage.trainings for stage in stages(spec)))
    return progress, Simulator(search, objective, clock, workers=4, nodes=nodes)


@pytest.fixture(scope="module")
def halfway() -> Progress:
    """A search with trials that run, and six of full length."""
    spec = make_spec(trials=20, scheduler=scheduler_of("none"), sampler=sampler_of("random"))
    progress, run = followed(spec)
    progress.search.observe(progress.apply)
    while sum(progress.ended.values()) < 9 or len(progress.running) < 4:
        run.step()
    return progress


def drawn(progress: Progress, width: int, height: int = 40) -> list[str]:
    return to_text(live_table(progress, 90.0, 4, width, height), width).splitlines()


def test_the_live_table_leaves_out_columns_and_cuts_no_value(halfway: Progress) -> None:
    wide = drawn(halfway, 1000)
    cells = set(" ".join(wide).split())
    seen = set()
    for width in range(40, 130, 5):
        lines = drawn(halfway, width)
        assert max(map(len, lines)) <= width
        assert set(" ".join(lines).split()) - {"coco/bbox_mAP"} <= cells | {
            word.rstrip(",") for word in cells
        }
        text = "\n".join(lines)
        best = halfway.best
        assert best is not None
        assert re.search(rf"{best.id} .*{best.value(OBJECTIVE):.3f}", text)
        assert all(trial.id in text for trial in halfway.running)
        seen.add(lines[0])
    assert len(seen) > 3, "wider terminals show more columns"


def test_the_best_five_are_the_first_of_the_leaderboard_with_their_gains(
    halfway: Progress,
) -> None:
    rows = [row for row in leaderboard(halfway.search.state, halfway.search.spec) if row.rank]
    rows = [row for row in rows if row.stage == "search"]
    assert len(rows) > LEADERS
    for line, row in zip(drawn(halfway, 200)[1:], rows[:LEADERS], strict=False):
        words = line.split()
        assert words[0] == row.trial
        assert words[1] == f"{row.values[OBJECTIVE]:.3f}"
        assert words[2] == f"{row.gain:+.3f}"


def test_a_running_trial_has_its_rate_and_the_time_to_its_end(halfway: Progress) -> None:
    lines = drawn(halfway, 200)
    head = next(at for at, line in enumerate(lines) if line.startswith("running"))
    for line, trial in zip(lines[head + 1 :], halfway.running, strict=False):
        assert line.startswith(trial.id)
        assert f"{trial.epoch:g}/9" in line
        if trial.reports:
            assert re.search(r"\b60\b", line), "seconds an epoch"
            left = f"{round(9 - trial.epoch)} min 0 s"
            assert (left in line) or "min" in line
    text = "\n".join(lines)
    assert "teacher 0.744" in text
    assert "epochs/min" in text
    assert "CPU-hours" in text
    assert "left" in lines[-1]


def test_of_a_pack_the_time_is_that_of_its_worker_and_not_a_share() -> None:
    space = {"model.distillation.weight": Uniform(low=0, high=1)}
    spec = make_spec(
        trials=3,
        baseline=False,
        space=space,
        scheduler=scheduler_of("none"),
        resources=Resources(students=3),
    )
    clock = VirtualClock(now=time.time())
    search = Search.open(spec, Ledger.in_memory(clock=clock))
    progress = Progress(search, 3)
    run = Simulator(search, learning_curve, clock, seconds=lambda work: 20.0)
    for _ in range(2):
        run.step()
        shown = "\n".join(drawn(progress, 200))
        assert len(re.findall(r"t000\d +\d/9 .* 60", shown)) == 3


def test_on_a_low_terminal_running_trials_are_counted(halfway: Progress) -> None:
    lines = drawn(halfway, 80, height=14)
    assert len(lines) <= 14
    assert f"{len(halfway.running) - 2} more running" in "\n".join(lines)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    written = io.StringIO()
    known = Console(file=written, force_terminal=True, width=80, height=30, _environ={})
    monkeypatch.setattr(console, "out", known)
    monkeypatch.setattr(live, "DRAWN_A_SECOND", 1e-3)
    return written


def test_log_lines_and_warnings_are_printed_above_the_live_table(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those of a handler that was made before, as libraries make them when imported."""
    import sys

    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("test.early")
    logger.addHandler(handler)
    logger.propagate = False
    progress, run = followed(make_spec(trials=3))
    with View(progress, lambda: 2) as view:
        progress.search.observe(view)
        logger.warning("from an early handler")
        print("to stderr", file=sys.stderr)  # noqa: T201
        run.step()
    shown = terminal.getvalue()
    assert "from an early handler" in shown
    assert "to stderr" in shown
    assert stream.getvalue() == ""
    assert handler.stream is stream
    assert sys.stderr is stream
    logger.removeHandler(handler)


def test_the_cursor_is_back_after_an_interruption(terminal: io.StringIO) -> None:
    progress, run = followed(make_spec(trials=3))

    def interrupted() -> None:
        with View(progress, lambda: 2):
            run.step()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    hidden, shown = "\x1b[?25l", "\x1b[?25h"
    assert terminal.getvalue().rindex(shown) > terminal.getvalue().rindex(hidden)


@pytest.mark.parametrize(
    ("environment", "colors", "animated"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, False, False),
    ],
    ids=str,
)
def test_what_a_terminal_cannot_or_should_not_show_is_left_out(
    environment: dict[str, str], colors: bool, animated: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    known = {"TERM": "xterm-256color", **environment}
    monkeypatch.setattr(
        console, "out", Console(file=written, force_terminal=True, width=80, _environ=known)
    )
    progress, run = followed(make_spec(trials=3, epochs=1))
    with View(progress, lambda: 2) as view:
        progress.search.observe(view)
        run.run()
        drawing = view._live is not None
        if drawing:
            assert view._live is not None
            view._live.refresh()
    text = written.getvalue()
    assert drawing == animated
    assert ("\x1b[" in text) == animated
    assert ("\x1b[1;32m" in text) == colors
    assert ("t0001 none completed" in text) != animated


def test_a_terminal_that_gets_narrower_keeps_no_part_of_the_old_table(
    terminal: io.StringIO,
) -> None:
    """Lines that the terminal breaks in two are erased, too."""
    progress, run = followed(make_spec(trials=8, sampler=sampler_of("random")))
    with View(progress, lambda: 2) as view:
        progress.search.observe(view)
        for _ in range(30):
            run.step()
        assert view._live is not None
        view._live.refresh()
        table = live_table(progress, 1.0, 2, 80, 30)
        before = [len(line) for line in to_text(table, 80).splitlines()]
        start = len(terminal.getvalue())
        console.out.width = 50
        view._live.refresh()
        moved = terminal.getvalue()[start:].count("\x1b[1A")
    broken = sum(length > 50 for length in before)
    assert broken > 2
    assert moved >= broken + len(before) - 1


def test_lines_of_a_log_have_at_most_a_hundred_columns(capsys: pytest.CaptureFixture[str]) -> None:
    spec = make_spec(trials=12, scheduler=scheduler_of("asha"))
    progress, run = followed(spec)
    with View(progress, lambda: 4) as view:
        progress.search.observe(view)
        run.run()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    assert f"{REASON}; {REASON}" in text, "a long reason is wrapped and not cut"
    assert any("stopped" in line and "goes on" in line for line in lines)
    assert "left" in lines[-1]


def test_drawing_costs_nothing_per_event(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is drawn by time, not by event."""
    draws: list[int] = []

    def draw(*size: object) -> str:
        draws.append(len(size))
        return "table"

    monkeypatch.setattr(live, "live_table", draw)
    progress, run = followed(make_spec(trials=60, sampler=sampler_of("random"), epochs=3))
    events: list[Any] = []
    with View(progress, lambda: 4) as view:
        progress.search.observe(view)
        progress.search.observe(lambda event, trial: events.append(event))
        run.run()
    assert len(events) > 300
    assert len(draws) < 10
