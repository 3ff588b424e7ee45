"""When a trial reports: at every interval, or only at those that a scheduler needs."""

from __future__ import annotations

import pytest

from tid_tune.searchfile.model import Interval

EPOCH, FIVE = Interval(), Interval(count=5, unit="iter")


def stops(interval: Interval, per_epoch: int = 4, epochs: int = 6) -> list[int]:
    found = [0]
    while found[-1] < per_epoch * epochs:
        found.append(interval.next_stop(found[-1], per_epoch, per_epoch * epochs))
    return found[1:]


def test_by_default_a_trial_reports_after_every_interval_and_at_the_end() -> None:
    assert stops(EPOCH) == [4, 8, 12, 16, 20, 24]
    assert stops(FIVE) == [5, 10, 15, 20, 24]


@pytest.mark.parametrize(
    ("interval", "needed", "expected"),
    [
        (EPOCH, (2.0,), [8, 24]),
        (EPOCH, (1.0, 2.5, 5.0), [4, 12, 20, 24]),
        (EPOCH, (2.1, 2.9), [12, 24]),
        (EPOCH, (), [24]),
        (Interval(count=4), (1.0,), [16, 24]),
        (FIVE, (1.25, 3.0), [5, 15, 24]),
    ],
)
def test_needed_lengths_leave_the_reports_that_first_reach_them(
    interval: Interval, needed: tuple[float, ...], expected: list[int]
) -> None:
    assert stops(interval.model_copy(update={"needed": needed})) == expected


def test_a_trial_that_goes_on_from_between_two_stops_reports_at_the_next_one() -> None:
    interval = EPOCH.model_copy(update={"needed": (2.0, 4.0)})
    assert [interval.next_stop(done, 4, 24) for done in (0, 5, 8, 11, 16)] == [8, 8, 16, 16, 24]
