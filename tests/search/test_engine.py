from search_cases import OBJECTIVE, learning_curve, make_spec

from tid_tune.search.decision import FINISHED, WAIT, Assignment
from tid_tune.search.engine import Search
from tid_tune.search.ledger import Ledger
from tid_tune.search.ranking import best_trial, leaderboard
from tid_tune.search.records import Status
from tid_tune.search.simulate import Simulator, VirtualClock, simulate
from tid_tune.spec.model import Sampler, Scheduler


def test_a_search_runs_the_baseline_first_and_then_its_trials():
    search = simulate(make_spec(scheduler=Scheduler(type="none")), learning_curve)
    trials = list(search.state.trials.values())
    assert [t.label for t in trials[:2]] == ["none", "defaults"]
    assert [t.stage for t in trials[2:]] == ["search"] * 12
    assert all(t.status is Status.COMPLETED and len(t.reports) == 9 for t in trials)
    assert search.next() is FINISHED


def test_stopped_trials_are_listed_behind_those_of_full_length():
    spec = make_spec(trials=20)
    search = simulate(spec, learning_curve, workers=3)
    rows = leaderboard(search.state, spec)
    ranks = [row.rank for row in rows]
    full = [rank for rank in ranks if rank is not None]
    assert full == list(range(1, len(full) + 1))
    assert ranks == full + [None] * (len(ranks) - len(full))
    best = best_trial(search.state, spec)
    assert rows[0].trial == best.id
    none = next(row for row in rows if row.label == "none")
    assert none.gain == 0.0
    assert rows[0].gain == rows[0].values[OBJECTIVE] - none.values[OBJECTIVE]


def test_next_waits_while_the_last_trials_run():
    search = Search.open(make_spec(trials=1, baseline=False), Ledger.in_memory())
    work = search.next()
    assert isinstance(work, Assignment)
    assert search.next() is WAIT
    search.fail(work.trial, "user", "no such file")
    assert search.next() is FINISHED


def test_an_interrupted_trial_continues_from_its_last_checkpoint_before_anything_new(tmp_path):
    spec = make_spec(baseline=False, sampler=Sampler(type="random"))
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        search = Search.open(spec, ledger)
        first = search.next()
        search.report(first.trial, 1, 1.0, {OBJECTIVE: 0.1}, 5.0, 10, "one.pth")
        search.report(first.trial, 2, 2.0, {OBJECTIVE: 0.2}, 5.0, 10, "two.pth")
    with Ledger.open(tmp_path / "ledger.jsonl") as ledger:
        again = Search.open(spec, ledger).next()
    assert (again.trial, again.checkpoint, again.step) == (first.trial, "two.pth", 2)
    assert again.params == first.params
    assert again.segment == 1


def test_the_whole_search_gives_the_same_values_when_the_driver_dies_after_any_report(tmp_path):
    spec = make_spec(trials=5, epochs=3)
    whole = simulate(spec, learning_curve)
    expected = [(t.params, t.status, t.value(OBJECTIVE)) for t in whole.state.trials.values()]
    for deaths in range(1, 12):
        path = tmp_path / f"{deaths}.jsonl"
        clock = VirtualClock()
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            run = Simulator(Search.open(spec, ledger), learning_curve, clock)
            for _ in range(deaths):
                run.step()
        with Ledger.open(path, sync=False, clock=clock) as ledger:
            resumed = simulate(spec, learning_curve, ledger=ledger)
        found = [(t.params, t.status, t.value(OBJECTIVE)) for t in resumed.state.trials.values()]
        assert found == expected
