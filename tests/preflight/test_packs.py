"""What `validate` says of searches whose trials are trained side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from support.search_cases import make_spec

from tid_tune.openmmlab.configs import Config
from tid_tune.preflight.packs import check_packs, pack_hints
from tid_tune.preflight.plan import Plan
from tid_tune.search.schedulers.asha import AshaOptions
from tid_tune.searchfile.model import Resources
from tid_tune.space import Choice, Fixed, Uniform

SPACE = {
    "model.distillation.loss_weight": Uniform(low=0, high=1),
    "model.teacher.precision": Choice(values=("float32", "bfloat16")),
    "train_dataloader.batch_size": Choice(values=(2, 4)),
    "train_dataloader.num_workers": Fixed(value=2),
}


def notes(**changes: Any) -> list[str]:
    """What is said of packs after the first line, which says how large they are."""
    spec = make_spec(**{"space": SPACE, "resources": Resources(students=4), **changes})
    found = list(check_packs(Plan(Config(), Path("config.py"), spec)))
    assert all(one.severity == "note" for one in found)
    assert not found or "side by side" in found[0].text
    return [one.text for one in found[1:]]


def test_each_searched_parameter_that_keeps_trials_apart_is_noted() -> None:
    teacher, batch = notes()
    assert "differ in model.teacher.precision" in teacher
    assert "differ in train_dataloader.batch_size" in batch


def test_a_fixed_value_that_only_some_trials_have_keeps_them_apart() -> None:
    fixed = Fixed(value=2, when={"model.distillation.select": ("quantile",)})
    assert len(notes(space={"train_dataloader.num_workers": fixed})) == 1


def test_without_packs_there_is_nothing_to_note() -> None:
    assert notes(resources=Resources()) == []
    assert len(notes(resources=Resources(students="auto"))) == 2


def test_a_rule_that_groups_the_trials_that_go_on_is_named() -> None:
    def hints(students: int, rule: Literal["stop", "promote"]) -> list[str]:
        resources, scheduler = Resources(students=students), AshaOptions(rule=rule)
        return [one.text for one in pack_hints(make_spec(resources=resources, scheduler=scheduler))]

    (text,) = hints(4, "stop")
    assert "rule: promote" in text
    assert hints(4, "promote") == hints(1, "stop") == []


def test_a_trainable_of_the_users_own_must_say_that_it_trains_packs() -> None:
    (text,) = notes(space={}, trainable="mine:Mine")
    assert "mine:Mine" in text
    assert "trains_packs = True" in text
