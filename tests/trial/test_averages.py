"""Averages over an interval, terms that come and go, and losses that are not finite."""

from __future__ import annotations

import pytest
import torch

from tid_tune.errors import TrialError
from tid_tune.trial.averages import Averages, with_ratios


def test_a_mean_is_over_the_steps_that_had_the_value() -> None:
    averages = Averages()
    averages.add({"loss": torch.tensor(1.0), "area": torch.tensor([4.0]), "lr": 0.5})
    averages.add({"loss": torch.tensor(2.0), "lr": 1.5})
    averages.add({"loss": torch.tensor(6.0), "area": torch.tensor([8.0])})
    assert averages.means() == {"loss": 3.0, "area": 6.0, "lr": 1.0}


def test_no_graph_is_kept_alive() -> None:
    weight = torch.ones(1, requires_grad=True)
    averages = Averages()
    averages.add({"loss": (weight * 2).sum()})
    assert not next(iter(averages._sums.values())).requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_was_not_finite_once_is_found_later_and_named(value: object) -> None:
    averages = Averages()
    averages.add({"loss": torch.tensor(value), "loss_distill_key": torch.tensor(value)})
    averages.add({"loss": torch.tensor(1.0), "loss_distill_key": torch.tensor(1.0)})
    with pytest.raises(TrialError, match=r"by iteration 2: loss_distill_key is") as caught:
        averages.check_finite("by iteration 2")
    assert caught.value.kind == "nan"


def test_other_values_may_be_anything() -> None:
    averages = Averages()
    averages.add({"loss": torch.tensor(1.0), "grad_norm": torch.tensor(float("inf"))})
    averages.check_finite("")


def test_ratios_relate_each_distillation_term_to_the_detectors_own_loss() -> None:
    own = {"loss_cls": 1.5, "loss_bbox": 0.5}
    values = with_ratios(own | {"loss": 6.0, "loss_distill_key": 1.0, "loss_distill_weak": 3.0})
    assert values["loss_detector"] == 2.0
    assert (values["ratio/key"], values["ratio/weak"]) == (0.5, 1.5)


def test_the_detectors_own_loss_is_right_where_distillation_ends_within_the_interval() -> None:
    averages = Averages()
    for step in range(4):
        term = {"loss_distill_rest": torch.tensor(10.0)} if step == 0 else {}
        total = torch.tensor(12.0 if step == 0 else 2.0)
        averages.add({"loss": total, "loss_cls": torch.tensor(2.0), **term})
    values = with_ratios(averages.means())
    assert (values["loss_detector"], values["ratio/rest"]) == (2.0, 5.0)


def test_a_detector_without_any_loss_has_no_ratios() -> None:
    values = with_ratios({"loss": 1.0, "loss_cls": 0.0, "loss_distill_rest": 1.0})
    assert values["loss_detector"] == 0.0
    assert not any(name.startswith("ratio/") for name in values)


def test_without_distillation_there_are_no_ratios() -> None:
    assert with_ratios({"loss": 6.0, "loss_cls": 6.0}) == {"loss": 6.0, "loss_cls": 6.0}
