"""What the student learns from: the gradient of each term is the slope of its value."""

from __future__ import annotations

import pytest
import torch
from support.method_cases import TEACHING, supports
from torch import Tensor

from tid_tune.distill.context import Context, View
from tid_tune.testing.detectors import HEADS
from tid_tune.testing.scenes import Scene, make_scene

STEP = 0.01


@pytest.mark.parametrize(
    ("method", "kind"),
    [(m, kind) for m in TEACHING for kind in HEADS if supports(m, kind)],
)
def test_the_gradient_of_a_term_is_its_slope(method: str, kind: str) -> None:
    made = make_scene(method, kind, "square")
    leaves = [*made.context.student.features, *made.method.parameters()]
    gradients = {
        name: torch.autograd.grad(term, leaves, retain_graph=True, materialize_grads=True)
        for name, term in made().losses.items()
    }
    for name, found in gradients.items():
        length = torch.stack([item.square().sum() for item in found]).sum().sqrt()
        # TID's key area may have no points here; every other term says something.
        assert length > 1e-4 or name == "loss_distill_key"
        if length > 0:
            up, down = (moved(made, name, found, s / length) for s in (STEP, -STEP))
            slope = (up - down).item() / (2 * STEP)
            assert slope == pytest.approx(length.item(), rel=0.03), name


@torch.no_grad()
def moved(made: Scene, name: str, directions: tuple[Tensor, ...], step: Tensor) -> Tensor:
    """The term after a step of features and weights; TID's areas stay where they are."""
    context, method = made.context, made.method
    student, count = context.student, len(context.student.features)
    steps = [step * item for item in directions]
    features = [item + s for item, s in zip(student.features, steps[:count], strict=True)]
    for parameter, s in zip(method.parameters(), steps[count:], strict=True):
        parameter.add_(s)
    with torch.enable_grad():  # CrossKD records no inference
        keep = method.settings.method == "tid"
        outputs = student.outputs if keep else student.head.head(features)
        view = View(student.detector, student.head, features, outputs)
        losses = method(Context(context.batch, view, 0, 0)).losses
    for parameter, s in zip(method.parameters(), steps[count:], strict=True):
        parameter.sub_(s)
    return losses[name].detach()
