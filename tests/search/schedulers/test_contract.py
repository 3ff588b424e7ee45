"""Each of our schedulers keeps the contract that others' schedulers are held to."""

from __future__ import annotations

import sys

from tid_tune.search.schedulers.asha import Asha, AshaOptions
from tid_tune.search.schedulers.hyperband import Hyperband, HyperbandOptions
from tid_tune.search.schedulers.median import Median, MedianOptions
from tid_tune.search.schedulers.none import NoScheduler
from tid_tune.search.schedulers.pbt import Pbt, PbtOptions
from tid_tune.searchfile.parts import SCHEDULERS
from tid_tune.testing.schedulers import SchedulerContract


class TestAsha(SchedulerContract):
    scheduler = Asha


class TestAshaWithGrace(SchedulerContract):
    scheduler = Asha
    options = AshaOptions(grace_epochs=2, reduction=2)
    grace = 2


class TestAshaByData(SchedulerContract):
    scheduler = Asha
    options = AshaOptions(fidelity="data")


class TestAshaThatPromotes(SchedulerContract):
    scheduler = Asha
    options = AshaOptions(rule="promote")


class TestAshaThatPromotesByData(SchedulerContract):
    scheduler = Asha
    options = AshaOptions(rule="promote", fidelity="data", reduction=2)


class TestHyperband(SchedulerContract):
    scheduler = Hyperband


class TestHyperbandByData(SchedulerContract):
    scheduler = Hyperband
    options = HyperbandOptions(fidelity="data")


class TestMedian(SchedulerContract):
    scheduler = Median
    options = MedianOptions(grace_epochs=2, min_trials=3)
    grace = 2


class TestPbt(SchedulerContract):
    scheduler = Pbt
    options = PbtOptions(interval_epochs=2)
    grace = 9


class TestNone(SchedulerContract):
    scheduler = NoScheduler
    grace = 9


def test_no_scheduler_of_ours_is_left_out() -> None:
    held = {
        one.scheduler
        for one in vars(sys.modules[__name__]).values()
        if isinstance(one, type)
        and issubclass(one, SchedulerContract)
        and one is not SchedulerContract
    }
    ours = [one for one in SCHEDULERS.parts().values() if one.__module__.startswith("tid_tune.")]
    assert held == set(ours)
