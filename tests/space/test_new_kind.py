"""A new kind of distribution is one class: a module that defines and registers it is enough."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal, Self

import jsonschema
import pytest
from support.spec_project import write_project
from support.spec_samples import HEAD, LR

from tid_tune.errors import SpecError, UsageError
from tid_tune.ledger.file import Ledger
from tid_tune.ledger.state import RunState
from tid_tune.results.optuna_study import write_optuna
from tid_tune.search.decision import Assignment
from tid_tune.search.engine import Search
from tid_tune.search.simulate import VirtualClock, simulate
from tid_tune.searchfile import SearchSpec, load
from tid_tune.searchfile.dump import dump
from tid_tune.searchfile.schema import json_schema
from tid_tune.space import (
    Distribution,
    EntryError,
    Value,
    YamlForm,
    as_number,
    is_number,
    register_distribution,
)
from tid_tune.space.distributions.numeric import Numeric
from tid_tune.space.distributions.reading import (
    NUMBER,
    WHOLE_POSITIVE,
    check_range,
    read_numbers,
    read_whole_numbers,
    row,
)
from tid_tune.space.distributions.registry import DISTRIBUTIONS
from tid_tune.testing.distributions import DistributionContract

BATCH = "train_dataloader.batch_size"
MOMENTUM = "optim_wrapper.optimizer.momentum"
TEXT = f"""{HEAD}space:
  {LR}: {{triangular: [0.001, 0.01, 0.1]}}
  {BATCH}: {{power_of_two: [1, 64]}}
  {MOMENTUM}: {{choice: [0.5, 0.9], when: {{batch_size: [2, 4, 8, 16, 32, 64]}}}}
require: [batch_size > lr]
start_from: [{{lr: 0.01, batch_size: 8}}]
trials: 16
epochs: 4
"""


class PowerOfTwo(Distribution):
    """2^k in [low, high]: numbered values."""

    kind: Literal["power_of_two"] = "power_of_two"
    low: int
    high: int

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "power_of_two": YamlForm(
            "[low, high]", "Powers of two.", row(WHOLE_POSITIVE, WHOLE_POSITIVE)
        )
    }

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        low, high = read_whole_numbers(name, entry[name], "[low, high]")
        check_range(name, low, high)
        for index, bound in enumerate((low, high)):
            if bound < 1 or bound.bit_count() != 1:
                raise EntryError(f"{name}: {bound} is no power of two; write 1, 2, 4", name, index)
        return cls(low=low, high=high)

    def to_yaml(self) -> dict[str, Value]:
        return {"power_of_two": [self.low, self.high]}

    @property
    def size(self) -> int:
        return self.high.bit_length() - self.low.bit_length() + 1

    def value_at(self, index: int) -> int:
        return self.low << index

    def index_of(self, value: Value) -> int | None:
        values = [self.value_at(index) for index in range(self.size)]
        return values.index(int(value)) if is_number(value) and value in values else None


class Triangular(Numeric):
    """Most likely at `mode`, never outside [low, high]: a continuum."""

    kind: Literal["triangular"] = "triangular"
    low: float
    mode: float
    high: float

    forms: ClassVar[Mapping[str, YamlForm]] = {
        "triangular": YamlForm(
            "[low, mode, high]", "[low, mode, high]", row(NUMBER, NUMBER, NUMBER)
        )
    }
    is_real = True

    @classmethod
    def from_yaml(cls, name: str, entry: Mapping[str, Value]) -> Self:
        low, mode, high = read_numbers(name, entry[name], "[low, mode, high]")
        check_range(name, low, high)
        return cls(low=low, mode=mode, high=high)

    def to_yaml(self) -> dict[str, Value]:
        return {"triangular": [self.low, self.mode, self.high]}

    @property
    def extremes(self) -> tuple[float, float]:
        return self.low, self.high

    def quantile(self, unit: float) -> float:
        left, right, whole = self.mode - self.low, self.high - self.mode, self.high - self.low
        if unit * whole <= left:
            return min(self.low + math.sqrt(unit * whole * left), self.high)
        return max(self.high - math.sqrt((1 - unit) * whole * right), self.low)

    def encode(self, value: Value) -> float:
        left, right, whole = self.mode - self.low, self.high - self.mode, self.high - self.low
        x = as_number(value)
        if x <= self.mode:
            return float((x - self.low) ** 2 / (whole * left)) if left > 0 else 0.0
        return float(1 - (self.high - x) ** 2 / (whole * right))

    def narrow(self, values: Sequence[Value]) -> Self:
        narrow = super().narrow(values)
        mode = min(max(self.mode, narrow.low), narrow.high)
        return narrow.model_copy(update={"mode": mode})


@pytest.fixture(scope="module", autouse=True)
def kinds() -> Iterator[None]:
    with DISTRIBUTIONS.restored_after():
        register_distribution(PowerOfTwo)
        register_distribution(Triangular)
        yield


class TestPowerOfTwo(DistributionContract):
    def examples(self) -> Sequence[Distribution]:
        return [PowerOfTwo(low=1, high=64), PowerOfTwo(low=8, high=16)]


class TestTriangular(DistributionContract):
    def examples(self) -> Sequence[Distribution]:
        return [Triangular(low=0, mode=1, high=3), Triangular(low=-1, mode=-1, high=1)]


def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str = TEXT) -> SearchSpec:
    """Load a text as a file of a project."""
    monkeypatch.chdir(tmp_path)
    write_project()
    Path("search.yaml").write_text(text)
    return load("search.yaml")


def curve(assignment: Assignment, epoch: float) -> dict[str, float]:
    """Best at a learning rate of 0.01 and a batch of 16."""
    rate, batch = assignment.params.get(LR, 0.05), assignment.params.get(BATCH, 1)
    loss = math.log10(rate / 0.01) ** 2 + math.log2(batch / 16) ** 2 / 8
    return {"coco/bbox_mAP": (1 - 0.2 * loss) * (1 - math.exp(-epoch))}


def points(search: Search) -> list[dict[str, Value]]:
    return [t.params for t in search.state.trials.values() if t.stage == "search"]


@pytest.mark.parametrize("sampler", ["tpe", "gp", "cmaes", "qmc", "random", "nsga2"])
def test_every_sampler_searches_it(
    sampler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = read(tmp_path, monkeypatch, f"{TEXT}sampler: {sampler}\n")
    found = points(simulate(spec, curve, workers=2))
    assert len(found) == 16
    assert found[0][BATCH] == 8
    assert {point[BATCH] for point in found} <= {1, 2, 4, 8, 16, 32, 64}
    assert len({point[LR] for point in found}) > 8
    assert all(spec.space[LR].contains(point[LR]) for point in found)
    assert all((MOMENTUM in point) == (as_number(point[BATCH]) > 1) for point in found)


def test_a_grid_visits_it_and_population_based_training_moves_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = f"{HEAD}space: {{{BATCH}: {{power_of_two: [1, 64]}}}}\nepochs: 4\n"
    spec = read(tmp_path, monkeypatch, f"{space}sampler: grid\ntrials: 20\n")
    found = points(simulate(spec, curve))
    assert sorted(as_number(point[BATCH]) for point in found) == [1, 2, 4, 8, 16, 32, 64]
    Path("search.yaml").write_text(f"{TEXT}scheduler: pbt\nsampler: random\n")
    search = simulate(load("search.yaml"), curve, workers=4)
    assert all(search.spec.space[LR].contains(point[LR]) for point in points(search))


def test_a_continuum_of_a_new_kind_is_refused_by_the_grid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SpecError, match=f"space.{LR}: .*grid"):
        read(tmp_path, monkeypatch, f"{TEXT}sampler: grid\n")


def test_it_survives_the_ledger_transfer_yaml_and_optuna(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    spec = read(tmp_path, monkeypatch)
    (tmp_path / "old").mkdir()
    path, clock = tmp_path / "old" / "ledger.jsonl", VirtualClock()
    with Ledger.open(path, clock=clock) as ledger:
        simulate(spec, curve, ledger=ledger)
    state = RunState.read(path)
    recorded = SearchSpec.model_validate(json.loads(json.dumps(state.spec)))
    assert recorded.space == spec.space
    Path("again.yaml").write_text(dump(spec))
    assert load("again.yaml").space == spec.space
    write_optuna(state, spec, tmp_path / "study.db")
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{tmp_path}/study.db")
    searched = [trial for trial in study.trials if trial.user_attrs["stage"] == "search"]
    assert len(searched) == len([t for t in state.trials.values() if t.stage == "search"])
    assert {trial.params[BATCH] for trial in searched} <= {1, 2, 4, 8, 16, 32, 64}
    text = TEXT.replace("start_from: [{lr: 0.01, batch_size: 8}]", "start_from: {run: old, top: 1}")
    Path("search.yaml").write_text(text)
    assert points(simulate(load("search.yaml"), curve))[0] in points_of(state)


def points_of(state: RunState) -> list[dict[str, Value]]:
    return [trial.params for trial in state.trials.values()]


def test_the_schema_lists_it_and_editors_complete_it() -> None:
    validator = jsonschema.Draft7Validator(json_schema())
    good = {"name": "a", "trial": "b.py", "space": {BATCH: {"power_of_two": [1, 8]}}}
    wrong = {**good, "space": {BATCH: {"power_of_two": [0.5, 8]}}}
    assert validator.is_valid(good)
    assert not validator.is_valid(wrong)


def test_a_mistake_in_it_is_reported_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{HEAD}space:\n  {BATCH}:\n    power_of_two:\n    - 1\n    - 48\n"
    with pytest.raises(SpecError, match=r"search.yaml:7: .*48 is no power of two"):
        read(tmp_path, monkeypatch, text)


def test_another_class_cannot_take_its_name() -> None:
    with pytest.raises(UsageError, match="'power_of_two' is registered twice"):

        @register_distribution
        class Other(PowerOfTwo):
            """Another one of the same name."""
