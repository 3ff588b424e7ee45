"""Whatever is typed gives a spec or a SpecError, and every spec survives being written out."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.spec_samples import HEAD, LR, ONE

from tid_tune.errors import SpecError
from tid_tune.searchfile import load
from tid_tune.searchfile.dump import dump
from tid_tune.searchfile.source import KEYS
from tid_tune.space import distribution_names

# The project folder is shared by the examples of a test; each writes its own search.yaml.
quick = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MOMENTUM = "optim_wrapper.optimizer.momentum"
SELECT = "model.distillation.select"

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["tpe", "asha", "tid", "config.py", LR, "lr", "lr > 1", "1 epoch", "max"]),
)
keys = st.sampled_from(
    [*KEYS, *distribution_names(), "type", "when", "top", "run", LR, SELECT, "x", ""]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def attempt(text: str | bytes, *overrides: str) -> None:
    """Load; anything but success or a SpecError propagates."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    Path("search.yaml").write_bytes(data)
    with contextlib.suppress(SpecError):
        load("search.yaml", overrides)


@quick
@given(st.binary(max_size=60) | st.text(max_size=60))
def test_no_bytes_give_a_traceback(text: str | bytes) -> None:
    attempt(text)


@quick
@given(st.text(alphabet="{}[]:,-&*!|>%@#'\"?<~ \n\tab1.", max_size=40))
def test_no_punctuation_gives_a_traceback(text: str) -> None:
    attempt(f"{ONE}{text}")


@quick
@given(st.dictionaries(keys, values, max_size=4))
def test_no_value_in_any_place_gives_a_traceback(fields: dict[str, Any]) -> None:
    good: dict[str, Any] = {"name": "t", "trial": "config.py", "space": {LR: 1}}
    attempt(json.dumps({**good, **fields}))


@quick
@given(st.dictionaries(st.sampled_from([LR, MOMENTUM, SELECT, "a.b", "0"]), values, max_size=3))
def test_no_parameter_gives_a_traceback(space: dict[str, Any]) -> None:
    attempt(json.dumps({"name": "t", "trial": "config.py", "space": space}))


@quick
@given(st.text(max_size=20), st.text(max_size=20))
def test_no_override_gives_a_traceback(path: str, value: str) -> None:
    attempt(ONE, f"{path}={value}", f"space.{path}={value}", path)


numbers = st.floats(min_value=-1e6, max_value=1e6, allow_subnormal=False)
positive = st.floats(min_value=1e-6, max_value=1e6)


@st.composite
def distributions(draw: st.DrawFn) -> dict[str, Any]:
    """A valid distribution for a number."""
    kind = draw(st.sampled_from(distribution_names()))
    if kind in ("choice", "ordinal"):
        return {
            kind: draw(
                st.lists(
                    st.integers(-(2**62), 2**62) | numbers, min_size=1, max_size=4, unique=True
                )
            )
        }
    if kind == "fixed":
        return {kind: draw(numbers)}
    if kind == "normal":
        return {kind: [draw(numbers), draw(positive)]}
    whole = "integer" in kind
    low = draw(st.integers(1, 100) if whole else positive)
    step = draw(st.integers(1, 9) if whole else st.sampled_from([0.1, 0.25, 3.0]))
    if "quantized" in kind:
        low = step * draw(st.integers(1, 9))
    high = low + step * draw(st.integers(1, 9))
    with_step = "quantized" in kind or kind == "integer"
    return {kind: [low, high, step] if with_step else [low, high]}


sections = st.fixed_dictionaries(
    {},
    optional={
        "objectives": st.dictionaries(
            st.sampled_from(["coco/bbox_mAP", "latency_ms", "train/é"]),
            st.sampled_from(["max", "min"]),
            min_size=1,
        ),
        "epochs": st.integers(3, 100),
        "report_every": st.sampled_from(["1 epoch", "2 epochs", "500 iters"]),
        "sampler": st.sampled_from([{"type": "random", "seed": 3}, {"startup_trials": 4}]),
        "scheduler": st.sampled_from(["none", {"type": "pbt", "quantile": 0.4}, {"reduction": 2}]),
        # Enough for the default confirmation of the best two of each of two methods.
        "trials": st.integers(3, 1000),
        "seed": st.integers(0, 2**32 - 1),
        "baseline": st.booleans(),
        "confirm": st.booleans() | st.just({"top": 1, "seeds": 7}),
        "budget": st.dictionaries(st.sampled_from(["gpu_hours", "epochs", "x"]), positive),
        "resources": st.just({"cpus": 2, "gpus": 0.5, "concurrent": 3}),
        "tracking": st.fixed_dictionaries(
            {"experiment": st.text("aé\x85'\": #\U0001f600", min_size=1)}
        ),
        "method": st.sampled_from([["tid", "none"], "tid"]),
        "start_from": st.just([{}]),
    },
)


@quick
@given(sections, distributions(), distributions())
def test_every_spec_survives_yaml(
    fields: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    chosen = {"when": {SELECT: ["quantile"]}}
    space = {
        LR: first,
        MOMENTUM: {**second, **chosen},
        SELECT: {"choice": ["threshold", "quantile"]},
    }
    Path("search.yaml").write_text(
        HEAD
        + "".join(f"{key}: {_yaml(value)}\n" for key, value in {**fields, "space": space}.items()),
        encoding="utf-8",
    )
    spec = load("search.yaml")
    Path("search.yaml").write_text(dump(spec), encoding="utf-8")
    assert load("search.yaml") == spec


def _yaml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x85", "\\x85")


def test_requirements_points_and_transfers_survive_yaml() -> None:
    Path("runs").mkdir()
    Path("runs/ledger.jsonl").touch()
    for line in ("start_from: [{lr: 0.5}]", "start_from: {run: runs, top: 2}", "confirm: true"):
        Path("search.yaml").write_text(f"{ONE}require: [lr > 0.2, 0.9 >= lr]\n{line}\n")
        spec = load("search.yaml")
        Path("search.yaml").write_text(dump(spec))
        assert load("search.yaml") == spec
