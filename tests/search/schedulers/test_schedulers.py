import random

import pytest
from support.search_cases import OBJECTIVE, learning_curve, make_spec
from tid_tune.searchfile.plan import rung_levels, search_epochs

from tid_tune.ledger.file import Ledger
from tid_tune.ledger.records import Status, Trial
from tid_tune.results.costs import trial_cost
from tid_tune.search.decision import Assignment, Continue, Pause, Stop
from tid_tune.search.engine import Search
from tid_tune.search.schedulers import make_scheduler
from tid_tune.search.schedulers.asha import Asha
from tid_tune.search.schedulers.hyperband import Hyperband
from tid_tune.search.schedulers.median import Median
from tid_tune.search.simulate import simulate
from tid_tune.searchfile.model import Sampler, Scheduler

TYPES = ["asha", "hyperband", "median", "pbt", "none"]
EVERY = [*[(name, "epochs") for name in TYPES], ("asha", "data"), ("hyperband", "data")]


def scheduler_spec(name, fidelity="epochs", **changes):
    rules = Scheduler(type=name, fidelity=fidelity)
    random_sampler = Sampler(type="random")
    return make_spec(scheduler=rules, sampler=random_sampler, **{"baseline": False, **changes})


def a_trial(number=0):
    return Trial(f"t{number}", number, "search", "", {}, {}, 0, 9, "random")


def arrive(scheduler, trial, epoch, value):
    """Decide on a report and record it, as the engine does."""
    decision = scheduler.decide(trial, epoch, value)
    trial.decision = decision
    scheduler.reported(trial, epoch, value)
    return decision


@pytest.mark.parametrize(("name", "fidelity"), EVERY)
@pytest.mark.parametrize("workers", [1, 3, 40])
def test_every_trial_ends_and_somebody_comes_to_the_full_length(name, fidelity, workers):
    search = simulate(scheduler_spec(name, fidelity, trials=25), learning_curve, workers=workers)
    trials = list(search.state.trials.values())
    assert len(trials) == 25
    assert all(t.status in (Status.COMPLETED, Status.STOPPED) for t in trials)
    assert any(t.full_length for t in trials)
    assert all(t.full_length == (t.status is Status.COMPLETED) for t in trials)
    assert all(t.reason for t in trials if t.status is Status.STOPPED)


@pytest.mark.parametrize(("name", "fidelity"), EVERY)
def test_trials_may_wait_while_hundreds_of_others_report(name, fidelity):
    search = simulate(scheduler_spec(name, fidelity, trials=600, epochs=4), learning_curve)
    assert all(t.status.final for t in search.state.trials.values())
    assert len(search.state.trials) == 600


@pytest.mark.parametrize(("name", "fidelity"), EVERY)
def test_the_best_trial_is_never_stopped_by_the_others(name, fidelity):
    def steady(assignment, epoch):
        return {OBJECTIVE: assignment.params["threshold"] * epoch / assignment.epochs}

    search = simulate(scheduler_spec(name, fidelity, trials=30), steady, workers=4)
    if name == "pbt":
        return  # The values of its trials change.
    trials = search.state.trials.values()
    best = max(trials, key=lambda t: t.params["threshold"])
    assert best.status is Status.COMPLETED


@pytest.mark.parametrize(("name", "fidelity"), EVERY)
def test_a_decision_changes_nothing_until_it_is_reported(name, fidelity):
    scheduler = make_scheduler(scheduler_spec(name, fidelity))
    rng = random.Random(1)
    trials = [a_trial(i) for i in range(12)]
    for trial in trials:
        trial.fraction = scheduler.first_fraction
        scheduler.suggested(trial)
        for epoch in (1.0, 9.0):
            value = rng.random()
            assert scheduler.decide(trial, epoch, value) == scheduler.decide(trial, epoch, value)
            arrive(scheduler, trial, epoch, value)


@pytest.mark.parametrize(("name", "fidelity"), EVERY)
def test_failing_trials_hold_nobody_up(name, fidelity):
    from tid_tune.search.simulate import Failure

    def fragile(assignment, epoch):
        if int(assignment.trial[1:]) % 3 == 0 and epoch == 2:
            raise Failure("oom")
        return learning_curve(assignment, epoch)

    search = simulate(scheduler_spec(name, fidelity, trials=12), fragile, workers=4)
    ends = [t.status for t in search.state.trials.values()]
    assert len(ends) == 12
    assert all(status.final for status in ends)
    assert Status.COMPLETED in ends
    assert Status.FAILED in ends


def test_rungs_lie_at_grace_times_powers_of_the_reduction():
    assert rung_levels(1, 3, 27) == [1, 3, 9]
    assert rung_levels(0.5, 2, 3) == [0.5, 1, 2]
    assert rung_levels(4, 3, 4) == []


def test_asha_lets_the_best_third_of_those_before_it_go_on():
    asha = Asha(9, grace=1, reduction=3)
    values = [0.5, 0.4, 0.3, 0.6, 0.45, 0.55, 0.1]
    going = [isinstance(arrive(asha, a_trial(i), 1.0, v), Continue) for i, v in enumerate(values)]
    # Quotas of 1 to 7 arrivals: 1 1 1 1 1 2 2. The sixth is second best of six.
    assert going == [True, False, False, True, False, True, False]


def test_asha_lets_ties_go_on_since_they_tell_nothing():
    asha = Asha(9, grace=1, reduction=3)
    decisions = [arrive(asha, a_trial(i), 1.0, 0.0) for i in range(6)]
    assert all(isinstance(decision, Continue) for decision in decisions)


def test_a_report_between_rungs_changes_nothing():
    asha = Asha(9, grace=1, reduction=3)
    arrive(asha, a_trial(0), 1.0, 0.9)
    trial = a_trial(1)
    assert isinstance(asha.decide(trial, 0.5, 0.0), Continue)
    arrive(asha, trial, 0.5, 0.0)
    assert isinstance(asha.decide(trial, 1.0, 0.0), Stop)


def test_a_report_that_skips_rungs_is_judged_at_the_last_one():
    asha = Asha(9, grace=1, reduction=3)
    arrive(asha, a_trial(0), 4.0, 0.5)
    assert [len(rung.values) for rung in asha.rungs] == [1, 1]
    assert isinstance(arrive(asha, a_trial(1), 4.0, 0.4), Stop)


def test_hyperband_deals_trials_to_brackets_in_the_published_proportions():
    hyperband = Hyperband(81, grace=1, reduction=3)
    for i in range(143):
        hyperband.suggested(a_trial(i))
    # Hyperband for R = 81 and eta = 3: 81, 34, 15, 8 and 5 configurations.
    assert [bracket.dealt for bracket in hyperband.brackets] == [81, 34, 15, 8, 5]


def test_hyperband_promotes_a_waiting_trial_as_soon_as_it_is_among_the_best_third():
    hyperband = Hyperband(3, grace=1, reduction=3)
    hyperband.brackets = hyperband.brackets[:1]
    trials = [a_trial(i) for i in range(3)]
    for trial, value in zip(trials, (0.2, 0.5, 0.1), strict=True):
        hyperband.suggested(trial)
        assert hyperband.next_continuation(more=True, idle=False) is None
        assert isinstance(arrive(hyperband, trial, 1.0, value), Pause)
    found = hyperband.next_continuation(more=True, idle=False)
    assert found.trial == "t1"
    hyperband.started(trials[1])
    assert hyperband.next_continuation(more=True, idle=False) is None
    assert {closing.trial for closing in hyperband.closings()} == {"t0", "t2"}


def test_the_best_of_a_rung_that_nobody_left_goes_on_when_nobody_else_comes():
    hyperband = Hyperband(3, grace=1, reduction=3)
    hyperband.brackets = hyperband.brackets[:1]
    for i, value in enumerate((0.2, 0.5)):
        hyperband.suggested(a_trial(i))
        arrive(hyperband, a_trial(i), 1.0, value)
    assert hyperband.next_continuation(more=False, idle=False) is None
    assert hyperband.next_continuation(more=False, idle=True).trial == "t1"


def test_the_median_rule_compares_the_best_so_far_with_the_median_of_the_others():
    median = Median(grace=1, min_trials=3)
    for i, value in enumerate((0.2, 0.4, 0.6)):
        assert isinstance(arrive(median, a_trial(i), 1.0, value), Continue)
        arrive(median, a_trial(i), 2.0, value)
    low, noisy = a_trial(4), a_trial(5)
    assert isinstance(arrive(median, low, 1.0, 0.39), Stop)
    assert isinstance(arrive(median, noisy, 1.0, 0.5), Continue)
    assert isinstance(arrive(median, noisy, 2.0, 0.3), Continue)


def test_stopping_saves_epochs_and_finds_as_good_a_trial():
    spent, best = {}, {}
    for name in ("none", "asha", "hyperband", "median"):
        search = simulate(scheduler_spec(name, trials=60), learning_curve, workers=4)
        trials = search.state.trials.values()
        spent[name] = sum(len(t.reports) for t in trials)
        best[name] = max(t.value(OBJECTIVE) for t in trials if t.full_length)
    assert spent["none"] == 540
    assert max(spent["asha"], spent["hyperband"]) < 300
    assert min(best.values()) == max(best.values())


def test_the_population_advances_in_step_and_the_worst_copy_the_best():
    spec = scheduler_spec("pbt", trials=8, epochs=4)
    search = simulate(spec, learning_curve, workers=3)
    trials = search.state.trials
    exploits = [t for t in trials.values() if t.origin.startswith("exploit")]
    assert exploits
    for trial in trials.values():
        assert [r.epoch for r in trial.reports] == [1, 2, 3, 4]
    first_ends = [t.reports[0].time for t in trials.values()]
    second_begins = [t.reports[1].time - t.reports[1].seconds for t in trials.values()]
    assert max(first_ends) <= min(second_begins)


def test_the_result_of_population_based_training_does_not_depend_on_the_number_of_workers():
    def result(workers):
        spec = scheduler_spec("pbt", trials=9, epochs=5)
        trials = simulate(spec, learning_curve, workers=workers).state.trials.values()
        return [(t.params, t.origin, t.value(OBJECTIVE)) for t in trials]

    assert result(1) == result(4) == result(9)


def test_an_exploiting_trial_gets_the_donors_checkpoint_and_perturbed_values():
    spec = scheduler_spec("pbt", trials=4, epochs=3)
    search = Search.open(spec, Ledger.in_memory())
    work = [search.next() for _ in range(4)]
    for rank, assignment in enumerate(work):
        decision = search.report(
            assignment.trial, 1, 1.0, {OBJECTIVE: -rank / 10}, 1.0, 1, f"{assignment.trial}/1.pth"
        )
        assert isinstance(decision, Pause)
    first = search.next()
    best, worst = work[0], work[3]
    assert (first.trial, first.segment) == (worst.trial, 1)
    assert (first.checkpoint, first.step) == (f"{best.trial}/1.pth", 1)
    assert first.params != worst.params
    assert first.params != best.params
    others = [search.next() for _ in range(3)]
    assert [a.checkpoint for a in others] == [f"{a.trial}/1.pth" for a in others]


def test_rungs_of_the_data_train_from_scratch_on_growing_fractions():
    search = Search.open(scheduler_spec("asha", "data", trials=1), Ledger.in_memory())
    fractions = []
    while isinstance(work := search.next(), Assignment):
        fractions.append(work.fraction)
        assert (work.step, work.checkpoint, work.epochs) == (0, None, 9)
        for step in range(1, 10):
            decision = search.report(
                work.trial, step, float(step), {OBJECTIVE: 0.1}, 1.0, 1, "c.pth"
            )
            assert isinstance(decision, Pause) == (step == 9 and fractions[-1] < 1)
        search.complete(work.trial)
    assert fractions == pytest.approx([1 / 9, 1 / 3, 1])
    trial = search.state.trials["t0001"]
    assert trial.status is Status.COMPLETED
    assert len(trial.reports) == 27


def test_several_objectives_stop_nobody():
    spec = scheduler_spec("asha", objectives={OBJECTIVE: "max", "latency": "min"})
    assert isinstance(make_scheduler(spec).decide(a_trial(), 1.0, -9.0), Continue)


@pytest.mark.parametrize("name", ["asha", "hyperband"])
@pytest.mark.parametrize("fidelity", ["epochs", "data"])
def test_no_trial_costs_more_than_is_announced(name, fidelity):
    spec = scheduler_spec(name, fidelity, trials=20)
    search = simulate(spec, learning_curve)
    costs = [trial_cost(trial).epochs for trial in search.state.trials.values()]
    assert max(costs) == pytest.approx(search_epochs(spec))


def test_a_part_of_the_data_is_called_so():
    search = simulate(scheduler_spec("asha", "data", trials=9), learning_curve)
    reasons = {t.reason for t in search.state.trials.values() if t.status is Status.STOPPED}
    assert reasons
    assert all(" of the data; " in reason and "epoch" not in reason for reason in reasons)
