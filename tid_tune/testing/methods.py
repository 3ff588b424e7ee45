"""The tests that every distillation method must pass.

    class TestMine(MethodContract):
        settings = MySettings

runs them all for `my_package.settings.MySettings`, with each of four tiny detectors.
"""

from __future__ import annotations

import copy
import pkgutil
import subprocess
import sys
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tid_tune.distill.context import Batch, Context, View
from tid_tune.distill.method import Method, MethodOutput
from tid_tune.distill.registry import METHODS
from tid_tune.distill.settings import Settings
from tid_tune.errors import ConfigError
from tid_tune.testing.detectors import HEADS, samples
from tid_tune.testing.scenes import Scene, make_scene

WRONG: tuple[object, ...] = (True, "no such value", float("nan"), [])
"""Values that are neither numbers nor among any choices."""
SLOPE = 1e-5
"""A gradient below this is the rounding of float32."""


class MethodContract:
    """Derive from this class and set `settings`; the other attributes have defaults."""

    settings: ClassVar[type[Settings]]
    heads: ClassVar[tuple[str, ...]] = HEADS
    """The detectors that the method supports."""
    options: ClassVar[dict[str, Any]] = {}
    """Constants that make every term of the method show in a small batch."""
    positive_for_a_copy: ClassVar[tuple[str, ...]] = ()
    """Terms that are not 0, though lowest, where the student equals the teacher."""
    flat_for_a_copy: ClassVar[bool] = True
    """Whether the gradient is 0 there; absolute differences have a corner instead."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run the tests that ask for a `kind` with each of `heads`."""
        if "kind" in metafunc.fixturenames:
            metafunc.parametrize("kind", self.heads)

    def scene(self, kind: str, batch: str = "padded", **changes: Any) -> Scene:
        """Return the method on a batch; see `make_scene`."""
        return make_scene(self.settings.method, kind, batch, **(self.options | changes))

    def test_its_name_leads_to_its_settings_and_its_implementation(self) -> None:
        """Registered by `register_method`, or found by an entry point."""
        assert METHODS.get(self.settings.method) is self.settings
        assert issubclass(pkgutil.resolve_name(self.settings.implementation), Method)

    def test_its_settings_need_no_torch(self) -> None:
        """A search space is checked without torch, in milliseconds."""
        code = f"import sys, {self.settings.__module__}; sys.exit('torch' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        assert found.returncode == 0, found.stderr.decode()

    def test_every_option_has_a_sentence_and_a_default_that_is_allowed(self) -> None:
        """They are shown in documentation, editors and messages."""
        for key, option in self.settings.options().items():
            assert option.doc.endswith("."), key
            assert option.allowed, key
            option.check(option.default)

    def test_options_refuse_what_is_not_of_their_type(self) -> None:
        """A message names key, value and allowed values."""
        for key, option in self.settings.options().items():
            if option.schema.get("type") in ("number", "integer") or "enum" in option.schema:
                for wrong in WRONG:
                    with pytest.raises(ConfigError) as error:
                        option.check(wrong)
                    assert f"{key} is {wrong!r}" in str(error.value)
                    assert option.allowed in str(error.value)

    def test_settings_can_be_read_back(self) -> None:
        """What a search proves to be in effect is what was parsed."""
        parsed = self.settings.parse(self.options)
        assert self.settings.parse(parsed.values()) == parsed
        assert parsed.values() | self.options == parsed.values()

    def test_the_schema_has_every_option(self) -> None:
        """Editors complete and check by it."""
        schema = self.settings.model_json_schema()
        assert list(schema["properties"]) == list(self.settings.options())
        assert all("default" in item for item in schema["properties"].values())

    def test_terms_are_finite_scalars_with_a_gradient_to_the_student_only(self, kind: str) -> None:
        """The names say that they are losses of the distillation."""
        made = self.scene(kind, teacher={"width": 16})
        output = made()
        assert output.losses
        for name, term in output.losses.items():
            assert name.startswith("loss_distill_")
            assert term.shape == ()
            assert term.dtype == torch.float32
            assert term.isfinite()
        _total(output).backward()
        assert sum(item.grad.abs().sum() for item in _own(made) if item.grad is not None) > 0
        for name, parameter in made.method.named_parameters():
            assert parameter.grad is not None, name
        for item in _teachers(made):
            assert item.grad is None

    def test_a_step_leaves_the_teacher_as_it_was(self, kind: str) -> None:
        """Its weights, its mode, and its maps."""
        made = self.scene(kind)
        teacher = made.context.teacher
        weights = copy.deepcopy(teacher.head.head.state_dict())
        maps = [item.clone() for item in teacher.features]
        _total(made()).backward()
        for name, value in teacher.head.head.state_dict().items():
            assert torch.equal(value, weights[name]), name
        assert all(map(torch.equal, maps, teacher.features))
        assert not teacher.head.head.training

    def test_the_method_owns_neither_detector(self, kind: str) -> None:
        """Its weights are trained and saved beside the student's."""
        made = self.scene(kind)
        detectors = {id(item) for item in made.context.student.head.head.parameters()}
        detectors |= {id(item) for item in made.context.teacher.head.head.parameters()}
        assert not detectors & {id(item) for item in made.method.parameters()}

    def test_values_to_log_are_detached_scalars_that_are_not_summed(self, kind: str) -> None:
        """Mmengine adds whatever has `loss` in its name; every term has its raw value."""
        output = self.scene(kind)()
        for name, value in output.logs.items():
            assert name.startswith("distill/")
            assert "loss" not in name
            assert value.ndim == 0
            assert value.is_floating_point()
            assert not value.requires_grad
        for name in output.losses:
            assert f"distill/{name.removeprefix('loss_distill_')}_raw" in output.logs

    def test_terms_scale_with_the_weight_and_raw_values_do_not(self, kind: str) -> None:
        """At weight 0 every term is exactly 0."""
        one, two, none = (self.scene(kind, loss_weight=weight)() for weight in (1.0, 2.5, 0.0))
        assert one.losses.keys() == two.losses.keys()
        for name, term in one.losses.items():
            assert two.losses[name].item() == pytest.approx(2.5 * term.item())
            assert none.losses[name].item() == 0
        raw = [name for name in one.logs if name.endswith("_raw")]
        assert {name: one.logs[name].item() for name in raw} == {
            name: two.logs[name].item() for name in raw
        }

    def test_the_first_step_of_a_warm_up_has_no_weight(self, kind: str) -> None:
        """The weight grows linearly from 0."""
        losses = self.scene(kind, warmup_iters=4)().losses
        assert all(term.item() == 0 for term in losses.values())

    @pytest.mark.parametrize("batch", ["no object", "no object at all"])
    def test_images_without_objects_are_no_problem(self, kind: str, batch: str) -> None:
        """Terms and gradients stay finite, and the terms stay the same ones."""
        made = self.scene(kind, batch)
        output = made()
        assert output.losses.keys() == self.scene(kind)().losses.keys()
        _total(output).backward()
        assert all(term.isfinite() for term in output.losses.values())
        assert all(item.grad.isfinite().all() for item in _own(made) if item.grad is not None)

    def test_a_copy_of_the_teacher_has_nothing_to_learn(self, kind: str) -> None:
        """All terms but those named in `positive_for_a_copy` are 0."""
        made = self.scene(kind, copied=True)
        losses = dict(made().losses)
        _total(MethodOutput(losses)).backward()
        for term in self.positive_for_a_copy:
            assert losses.pop(f"loss_distill_{term}") > 0
        for name, value in losses.items():
            assert value.item() == pytest.approx(0, abs=2e-5), name
        slopes = [item.grad.abs().max().item() for item in _own(made) if item.grad is not None]
        assert max(slopes, default=0.0) < SLOPE or not self.flat_for_a_copy

    def test_repeating_the_batch_changes_no_term(self, kind: str) -> None:
        """Terms are means over a declared unit, so weights do not depend on the batch size."""
        made = self.scene(kind)
        once, twice = made(), made.method(_repeated(made))
        for name, term in once.losses.items():
            expected = pytest.approx(term.item(), rel=1e-4, abs=1e-7)
            assert twice.losses[name].item() == expected, name

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
    def test_terms_are_float32_and_finite_in_mixed_precision(
        self, kind: str, dtype: torch.dtype
    ) -> None:
        """Statistics and losses leave autocast."""
        plain = self.scene(kind, teacher={"width": 16})()
        made = self.scene(kind, teacher={"width": 16})
        with torch.autocast("cpu", dtype=dtype):
            losses = made.method(_again(made)).losses
        torch.stack(list(losses.values())).sum().backward()
        assert all(item.grad.isfinite().all() for item in _own(made) if item.grad is not None)
        for name, term in losses.items():
            assert term.dtype == torch.float32
            expected = pytest.approx(plain.losses[name].item(), rel=0.2, abs=0.05)
            assert term.item() == expected, name

    def test_its_weights_and_its_step_counter_survive_a_checkpoint(self, kind: str) -> None:
        """A restored run goes on with its warm-up and what the method had learned."""
        made, twin = (self.scene(kind, teacher={"width": 16}) for _ in range(2))
        for value in made.method.parameters():
            value.data.normal_(std=0.1)
        made.method.iteration = 7
        twin.method.load_state_dict(copy.deepcopy(made.method.state_dict()))
        assert twin.method.iteration == 7
        ours, theirs = made().losses, twin().losses
        assert {k: v.item() for k, v in ours.items()} == {k: v.item() for k, v in theirs.items()}


def _total(output: MethodOutput) -> Tensor:
    return torch.stack(list(output.losses.values())).sum()


def _own(made: Scene) -> list[Tensor]:
    """Return everything a gradient may reach."""
    student = made.context.student
    return [*student.features, *student.head.head.parameters(), *made.method.parameters()]


def _teachers(made: Scene) -> list[Tensor]:
    teacher = made.context.teacher
    maps = [item for kind in teacher.outputs for item in kind]
    return [*teacher.features, *maps, *teacher.head.head.parameters()]


def _again(made: Scene, times: int = 1) -> Context:
    """Return the batch anew, `times` over, with the heads run now."""
    old = made.context

    def again(view: View) -> View:
        features = [torch.cat([item] * times) for item in view.features]
        with torch.set_grad_enabled(view is old.student):
            return View(view.detector, view.head, features, view.head.head(features))

    data = samples([*made.objects] * times, [*made.padded] * times)
    instances, metas = [item.gt_instances for item in data], [item.metainfo for item in data]
    inputs = torch.cat([old.batch.inputs] * times)
    return Context(Batch(inputs, again(old.teacher), instances, metas), again(old.student), 0, 0)


def _repeated(made: Scene) -> Context:
    return _again(made, 2)
