"""Heads and methods whose losses do not add up over ranks are found before a search begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from support import broken_methods

from tid_tune.distill.registry import METHODS, register_method
from tid_tune.distill.settings import Settings
from tid_tune.preflight.checks import checks_of
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.ranks import check_ranks
from tid_tune.searchfile.model import Resources, SearchSpec
from tid_tune.space import Choice, Distribution, Fixed

Config = Callable[..., Path]
DISTILLER = """
model = dict(
    type='Distiller', student=_detector, teacher=dict(config='teacher.py', checkpoint='t.pth'),
    distillation=dict(method='{method}'))
custom_imports = dict(imports=['tid_tune.distill.distiller'], allow_failed_imports=False)
"""
HEAD = "model.bbox_head.type"
METHOD = "model.distillation.method"


@pytest.fixture
def alone() -> Iterator[str]:
    """The name of a method that does not say whether it spans ranks."""

    class AloneSettings(Settings):
        """Of a method of somebody else's."""

        method = "alone"
        implementation = f"{broken_methods.__name__}:Sound"

    with METHODS.restored_after():
        register_method(AloneSettings)
        yield "alone"


def found(
    config: Path,
    space: Mapping[str, Distribution] | None = None,
    *,
    ranks: int = 2,
    method: tuple[str, ...] = (),
    baseline: bool = True,
) -> list[tuple[str, str]]:
    """The places and texts of what is found."""
    spec = SearchSpec(
        name="x",
        trial=config,
        epochs=1,
        space=dict(space or {}),
        method=method,
        baseline=baseline,
        resources=Resources(ranks=ranks),
    )
    plan = Plan.of_search(spec)
    assert check_ranks in [check for _, check in checks_of(plan)]
    findings = list(check_ranks(plan))
    assert all(one.severity == "error" for one in findings)
    return [(one.place, one.text) for one in findings]


def test_supported_heads_and_methods_are_not_reported(shapes_config: Config) -> None:
    config = shapes_config(DISTILLER.format(method="tid"))
    assert found(config, {METHOD: Choice(values=("tid", "ld", "none"))}) == []


@pytest.mark.parametrize(
    ("more", "place", "name"),
    [
        ("model['bbox_head']['type'] = 'PAAHead'\n", "model.bbox_head", "PAAHead"),
        ("model.update(roi_head=dict(), type='FasterRCNN')\n", "model", "FasterRCNN"),
        (
            f"_detector['bbox_head']['type'] = 'PAAHead'\n{DISTILLER.format(method='tid')}",
            "model.student.bbox_head",
            "PAAHead",
        ),
    ],
)
def test_a_head_is_named_with_its_place_and_those_that_can(
    more: str, place: str, name: str, shapes_config: Config
) -> None:
    ((where, text),) = found(shapes_config(more))
    assert where == place
    assert f"resources.ranks: the losses of {name}" in text
    assert "GFLHead" in text
    assert found(shapes_config(more), ranks=1) == []


def test_a_head_that_only_some_trials_have_is_named_with_its_value(shapes_config: Config) -> None:
    ((_, text),) = found(shapes_config(), {HEAD: Choice(values=("GFLHead", "PAAHead"))})
    assert text.startswith(f"with {HEAD} = 'PAAHead': ")
    ((_, text),) = found(shapes_config(), {HEAD: Fixed(value="PAAHead")})
    assert text.startswith("resources.ranks: ")


def test_a_name_of_no_head_is_left_to_other_checks(shapes_config: Config) -> None:
    assert found(shapes_config("model['bbox_head']['type'] = 'GFLHed'\n")) == []


def test_a_method_is_refused_where_a_trial_may_have_it(shapes_config: Config, alone: str) -> None:
    config = shapes_config(DISTILLER.format(method="tid"))
    ((where, text),) = found(config, {METHOD: Choice(values=("tid", alone))})
    assert where == METHOD
    assert "resources.ranks" in text
    assert f"the distillation method {alone} does" in text
    assert "spans_ranks" in text
    assert len(found(config, method=("tid", alone))) == 1
    configured = shapes_config(DISTILLER.format(method=alone))
    assert len(found(configured)) == 1
    # The baseline trains the config's own method, whatever is searched.
    space = {METHOD: Choice(values=("tid", "ld"))}
    assert len(found(configured, space)) == 1
    assert found(configured, space, baseline=False) == []
    assert found(configured, method=("tid", "ld")) == []
