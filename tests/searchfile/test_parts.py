"""The options of samplers and schedulers: stated in a file, recorded in a ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.search_cases import make_spec, sampler_of
from support.spec_samples import with_line

from tid_tune.errors import SpecError, UsageError
from tid_tune.search.samplers import make_sampler
from tid_tune.search.samplers.gp import GpOptions
from tid_tune.search.samplers.tpe import TpeOptions
from tid_tune.search.schedulers import make_scheduler
from tid_tune.search.schedulers.median import MedianOptions
from tid_tune.searchfile import SearchSpec
from tid_tune.searchfile.parts import is_default_type
from tid_tune.space import Space

OLD_SCHEDULER = {
    "type": "median",
    "grace_epochs": 1.0,
    "reduction": 3.0,
    "min_trials": 2,
    "interval_epochs": 1.0,
    "quantile": 0.25,
    "fidelity": "epochs",
}
"""As ledgers recorded it when one class had the options of all types."""


def recorded(**changes: Any) -> SearchSpec:
    return SearchSpec.recorded(make_spec().model_dump(mode="json") | changes)


def test_a_recorded_spec_keeps_the_options_of_its_type_only() -> None:
    spec = recorded(
        sampler={"type": "gp", "seed": None, "startup_trials": None}, scheduler=OLD_SCHEDULER
    )
    assert spec.sampler == GpOptions()
    assert spec.scheduler == MedianOptions(min_trials=2)


def test_every_recorded_spec_is_read_as_it_was() -> None:
    spec = make_spec(sampler=TpeOptions(startup_trials=3), scheduler={"type": "pbt"})
    assert SearchSpec.recorded(spec.model_dump(mode="json")) == spec


def test_a_run_can_be_read_whose_parts_are_not_installed_any_more() -> None:
    spec = recorded(
        sampler={"type": "removed", "seed": 3, "its_option": 1}, scheduler={"type": "removed"}
    )
    assert (spec.sampler.type, spec.sampler.seed) == ("removed", 3)
    with pytest.raises(UsageError, match="unknown sampler 'removed'"):
        make_sampler(spec, Space(spec.space))
    with pytest.raises(UsageError, match="unknown scheduler 'removed'"):
        make_scheduler(spec)


def test_a_map_is_read_by_its_type() -> None:
    assert make_spec(sampler={"type": "gp", "startup_trials": 3}).sampler == GpOptions(
        startup_trials=3
    )
    with pytest.raises(UsageError, match=r"sampler\.type: unknown sampler 'tep'.*'tpe'"):
        make_spec(sampler={"type": "tep"})


@pytest.mark.parametrize(("trials", "type"), [(300, "gp"), (301, "tpe")])
@pytest.mark.parametrize("given", [{}, {"sampler": {}}, {"sampler": {"startup_trials": 7}}])
def test_without_a_type_the_sampler_depends_on_the_number_of_trials(
    trials: int, type: str, given: dict[str, Any]
) -> None:
    spec = make_spec(trials=trials, **given)
    assert spec.sampler.type == type
    assert is_default_type(spec.sampler)
    if "startup_trials" in given.get("sampler", {}):
        assert spec.sampler.model_dump()["startup_trials"] == 7


@pytest.mark.parametrize("sampler", [{"type": "gp"}, GpOptions(), sampler_of("gp")], ids=str)
def test_a_type_that_is_named_is_no_default(sampler: object) -> None:
    spec = make_spec(trials=1000, sampler=sampler)
    assert spec.sampler.type == "gp"
    assert not is_default_type(spec.sampler)
    assert not is_default_type(SearchSpec.recorded(make_spec().model_dump(mode="json")).sampler)


@pytest.mark.parametrize(
    ("lines", "type"),
    [
        ("trials: 300", "gp"),
        ("trials: 301", "tpe"),
        ("trials: 301\nsampler: {startup_trials: 7}", "tpe"),
        ("trials: 301\nsampler: gp", "gp"),
    ],
)
def test_a_file_without_a_type_gets_the_sampler_for_its_trials(
    read: Callable[..., SearchSpec], lines: str, type: str
) -> None:
    spec = read(with_line(lines))
    assert spec.sampler.type == type
    assert is_default_type(spec.sampler) == ("sampler: gp" not in lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sampler: {type: random, startup_trails: 3}", ["startup_trials", "cmaes, gp, tpe"]),
        ("scheduler: {type: pbt, intervall_epochs: 3}", ["did you mean 'interval_epochs'"]),
        ("scheduler: {type: none, grace_epoch: 3}", ["grace_epochs", "asha, hyperband, median"]),
    ],
)
def test_a_misspelt_option_of_another_type_names_the_types_that_have_it(
    line: str, words: list[str], read: Callable[..., SearchSpec]
) -> None:
    with pytest.raises(SpecError) as caught:
        read(with_line(line))
    assert all(word in str(caught.value) for word in words)
    assert "unknown key" in str(caught.value)


def test_what_a_check_refuses_the_engine_refuses_with_the_same_words(
    read: Callable[..., SearchSpec],
) -> None:
    with pytest.raises(SpecError) as checked:
        read(with_line("scheduler: {grace_epochs: 6}\nepochs: 6"))
    with pytest.raises(SpecError) as begun:
        make_scheduler(make_spec(scheduler={"grace_epochs": 6}, epochs=6))
    assert str(begun.value) in str(checked.value)
