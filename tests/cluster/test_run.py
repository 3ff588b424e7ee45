"""`tid-tune run` on Ray: what it leaves, how trials fail, how it ends and goes on."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from support.toy import OBJECTIVE, toy_metrics, toy_value
from support.workplace import Workplace

from tid_tune.ledger.records import Status
from tid_tune.ledger.state import RunState
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import SearchSpec


def children(root: Path) -> dict[str, Any]:
    """MLflow's runs of the search by trial, asserting that no trial has two."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    runs = client.search_runs([experiment.experiment_id])
    named = [(run.data.tags.get("tid_tune.trial", "parent"), run) for run in runs]
    assert len(dict(named)) == len(named)
    return dict(named)


def values(state: RunState) -> dict[str, tuple[Status, float | None]]:
    return {t.id: (t.status, t.value(OBJECTIVE)) for t in state.trials.values()}


def test_a_search_runs_to_its_end_and_every_figure_is_in_ledger_and_mlflow(
    workplace: Workplace,
) -> None:
    code, output = workplace.run()
    assert code == 0, output
    assert len([line for line in output.splitlines() if "written, read" in line]) == 1
    assert [line for line in output.splitlines() if line.startswith("versions  tid-tune ")]
    assert not list(workplace.ledger.parent.glob(".nodes-*"))
    state = workplace.state()
    assert len(state.trials) == 2 + 8
    for trial in state.trials.values():
        assert trial.status in (Status.COMPLETED, Status.STOPPED)
        for report in trial.reports:
            assert report.metrics[OBJECTIVE] == toy_value(trial.edits, round(report.epoch))
    run_dir = workplace.ledger.parent
    best = max(
        (t for t in state.trials.values() if t.status is Status.COMPLETED and t.stage == "search"),
        key=lambda t: t.value(OBJECTIVE) or 0.0,
    )
    assert f"best: {best.id} with {OBJECTIVE} {best.value(OBJECTIVE):.3f}" in output
    assert (run_dir / "best" / "checkpoint.pth").read_text() == '{"step": 3}'
    assert (
        str(best.params["optim_wrapper.optimizer.lr"])
        in (run_dir / "best" / "config.py").read_text()
    )
    assert (run_dir / "report/best_so_far.png").stat().st_size > 5000
    runs = children(workplace.root)
    assert set(runs) == {"parent", *state.trials}
    for trial in state.trials.values():
        assert runs[trial.id].data.metrics[OBJECTIVE] == trial.value(OBJECTIVE)
        assert runs[trial.id].info.status == "FINISHED"
        assert runs[trial.id].data.tags["tid_tune.outcome"] == trial.status.value
    assert runs["parent"].data.metrics["best/gain"] == pytest.approx(
        (best.value(OBJECTIVE) or 0.0) - (state.trials["t0001"].value(OBJECTIVE) or 0.0)
    )


def test_a_finished_search_is_not_run_again(workplace: Workplace) -> None:
    assert workplace.run("--set", "trials=1")[0] == 0
    before = workplace.state()
    code, output = workplace.run("--set", "trials=1")
    assert code == 0
    assert "nothing left to run; --set trials=N with N above 1 adds trials" in output
    assert values(workplace.state()) == values(before)


def test_a_search_for_a_cheap_student_has_its_trials_measure_the_cost(
    workplace: Workplace,
) -> None:
    objectives = f"objectives={{{OBJECTIVE}: max, gflops: min}}"
    code, output = workplace.run("--set", objectives, "--set", "trials=3")
    assert code == 0, output
    for trial in workplace.state().trials.values():
        assert trial.value("gflops") is not None
        assert trial.value("latency_ms") is None, "nobody asked for it"
    assert "Pareto front" in output


def test_failing_trials_fail_alone_with_their_kind(workplace: Workplace) -> None:
    spec = (workplace.root / "space.yaml").read_text()
    spec = spec.replace("{log_uniform: [1e-4, 1e-1]}", "{choice: [0.5, 0.6, 0.7, 1e-3]}")
    (workplace.root / "space.yaml").write_text(
        spec.replace("trials: 8", "trials: 4\nsampler: {type: grid}")
    )
    code, output = workplace.run()
    assert code == 0, output
    by_lr = {
        t.params["optim_wrapper.optimizer.lr"]: t
        for t in workplace.state().trials.values()
        if t.stage == "search"
    }
    assert (by_lr[0.5].status, by_lr[0.5].cause) == (Status.FAILED, "nan")
    assert (by_lr[0.6].status, by_lr[0.6].cause) == (Status.FAILED, "crash")
    assert "a bug in the trial" in by_lr[0.6].reason
    assert by_lr[0.7].losses == 1, "a lost worker is tried again"
    assert by_lr[0.7].status.final
    assert by_lr[0.7].status is not Status.FAILED


def test_packs_train_what_trials_alone_would_train(workplace: Workplace) -> None:
    """Members leave at rungs and by failing; others are handed out as new packs."""
    spec = (workplace.root / "space.yaml").read_text()
    spec = spec.replace("{log_uniform: [1e-4, 1e-1]}", "{choice: [0.5, 0.7, 1e-4, 1e-3, 1e-2]}")
    (workplace.root / "space.yaml").write_text(
        spec.replace("trials: 8", "trials: 5\nsampler: {type: grid}")
    )
    code, output = workplace.run("--set", "resources.students=3")
    assert code == 0, output
    trials = workplace.state().trials.values()
    packs = {trial.pack for trial in trials}
    assert "" not in packs
    assert len(packs) < len(trials), "some were trained together"
    for trial in trials:
        lr = trial.params.get("optim_wrapper.optimizer.lr")
        assert trial.status.final
        assert (trial.status is Status.FAILED) == (lr == 0.5)
        for report in trial.reports:
            assert report.metrics[OBJECTIVE] == toy_value(trial.edits, round(report.epoch))


def test_ctrl_c_leaves_a_leaderboard_and_the_same_command_goes_on(workplace: Workplace) -> None:
    process = workplace.command("run", "space.yaml")
    workplace.wait_for_events(12, process)
    output = workplace.signal(process, signal.SIGINT)
    assert process.returncode == 130, output
    assert "same command resumes" in output
    assert "t0001" in output
    assert "Traceback" not in output
    code, output = workplace.run()
    assert code == 0, output
    assert len(workplace.state().trials) == 10
    assert_nothing_was_trained_twice(workplace)


def assert_nothing_was_trained_twice(workplace: Workplace) -> None:
    """No reported epoch was trained again; an unreported one may have been, once per kill."""
    for trial in workplace.state().trials.values():
        steps = [report.step for report in trial.reports]
        assert steps == sorted(set(steps))
        assert trial.repeated_seconds == 0


@pytest.mark.parametrize(
    ("kills", "trials"), [(3, 8), pytest.param(20, 40, marks=pytest.mark.slow)]
)
def test_killing_the_driver_at_random_moments_changes_nothing(
    workplace: Workplace, kills: int, trials: int
) -> None:
    """SIGKILL, each time after a few more events and a random delay."""
    free = ("scheduler.type=none", "sampler.type=random", f"trials={trials}")
    options = [word for setting in free for word in ("--set", setting)]
    generator = random.Random(7)
    for _ in range(kills):
        before = workplace.events()
        process = workplace.command("run", "space.yaml", *options)
        workplace.wait_for_events(before + generator.randint(1, 14), process)
        time.sleep(generator.uniform(0, 0.2))
        assert process.poll() is None, "the search must be long enough for all kills"
        workplace.signal(process, signal.SIGKILL)
    code, output = workplace.run(*options)
    assert code == 0, output

    spec = SearchSpec.recorded(workplace.state().spec)
    uninterrupted = simulate(spec, toy_metrics, workers=2).state
    assert values(workplace.state()) == values(uninterrupted)
    assert_nothing_was_trained_twice(workplace)
    runs = children(workplace.root)
    assert set(runs) == {"parent", *uninterrupted.trials}
    for trial in uninterrupted.trials.values():
        points = MlflowClient(f"sqlite:///{workplace.root / 'mlflow.db'}").get_metric_history(
            runs[trial.id].info.run_id, OBJECTIVE
        )
        assert [p.value for p in points] == [r.metrics[OBJECTIVE] for r in trial.reports]


SCRIPT = """
import sys, threading
import pandas
import tid_tune

events = []
def work():
    run = tid_tune.run("space.yaml", overrides={"trials": 2}, quiet=True,
                       callback=lambda event, trial: events.append((event.event, trial)))
    more = tid_tune.resume(run, trials=3, quiet=True)
    table = pandas.DataFrame(more.rows())
    print(len(run.state.trials), len(more.state.trials), more.standing(), "|",
          more.winner.id in set(table.trial), events[0][0], events[-1][0])
worker = threading.Thread(target=work)  # as a notebook with an event loop would
worker.start(); worker.join()
"""


def test_a_script_runs_and_resumes_a_search_and_hears_its_events(workplace: Workplace) -> None:
    (workplace.root / "script.py").write_text(SCRIPT)
    code, output = workplace.python("script.py")
    assert code == 0, output
    assert output.splitlines()[-1] == "4 5 finished: all trials are done | True suggested closed"
