"""What every distribution of a search space must do."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tid_tune.space import (
    Distribution,
    distribution_from_json,
    distribution_from_yaml,
    distribution_names,
)
from tid_tune.space.values import Value, as_number, same

if TYPE_CHECKING:
    import pytest

UNITS = (0.0, 1e-9, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.618, 0.75, 0.9, 0.999, 1.0)
"""The quantiles that are looked at."""
NUMBERED = 1000
"""At most so many values of a finite distribution are looked at."""
STRANGE: tuple[Value, ...] = (math.nan, math.inf, -1e300, "no value", ["no value"], {"no": "value"})
"""Values that no distribution should hold, unless it lists them."""


class DistributionContract:
    """Tests that a distribution inherits.

    Subclass it, name the subclass `Test...`, and return examples that cover each YAML form::

        class TestPowerOfTwo(DistributionContract):
            def examples(self) -> Sequence[Distribution]:
                return [PowerOfTwo(low=1, high=64)]

    The distribution must be registered. Tests of the schema and of Optuna's form are skipped where
    `jsonschema` and `optuna` are not installed.
    """

    def examples(self) -> Sequence[Distribution]:
        """Return the distributions to test."""
        raise NotImplementedError("return a list of distributions")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each example."""
        if "distribution" in metafunc.fixturenames:
            examples = self.examples()
            names = ["-".join(map(str, one.to_yaml())) for one in examples]
            metafunc.parametrize("distribution", examples, ids=names)

    def test_it_is_registered_under_its_kind(self, distribution: Distribution) -> None:
        """A ledger's `kind` and each YAML name lead to the class."""
        assert distribution.kind in distribution.forms
        assert distribution.forms.keys() <= set(distribution_names())

    def test_every_quantile_is_a_value(self, distribution: Distribution) -> None:
        """Values survive JSON, and quantiles beyond [0, 1] are those of its ends."""
        for value in _values(distribution):
            assert distribution.contains(value)
            assert distribution.contains(json.loads(json.dumps(value)))
            assert same(distribution.canonical(value), value)
        assert same(distribution.decode(-1.0), distribution.decode(0.0))
        assert same(distribution.decode(2.0), distribution.decode(1.0))

    def test_codes_decode_to_the_value(self, distribution: Distribution) -> None:
        """`encode` gives numbers in [0, 1] that lead back to the value."""
        for value in _values(distribution):
            code = distribution.encode(value)
            assert 0.0 <= code <= 1.0
            assert _near(distribution, value, distribution.decode(code))

    def test_numbered_values_are_found_again(self, distribution: Distribution) -> None:
        """`size`, `value_at` and `index_of` agree."""
        size = distribution.size
        if size is None:
            return
        indices = range(min(size, NUMBERED))
        values = [distribution.value_at(index) for index in indices]
        assert [distribution.index_of(value) for value in values] == list(indices)
        assert distribution.contains(distribution.value_at(size - 1))

    def test_it_survives_json(self, distribution: Distribution) -> None:
        """What a ledger records is read back as an equal distribution, condition included."""
        conditional = distribution.model_copy(update={"when": {"a.b": (1, "x")}})
        for one in (distribution, conditional):
            record = json.loads(json.dumps(one.model_dump(mode="json")))
            assert record["kind"] == distribution.kind
            assert distribution_from_json(record) == one

    def test_it_survives_yaml(self, distribution: Distribution) -> None:
        """Its YAML entry is plain, has one name, and reads as an equal distribution."""
        entry = distribution.to_yaml()
        assert json.loads(json.dumps(entry)) == entry
        assert distribution_from_yaml(entry) == distribution

    def test_its_schema_accepts_its_yaml(self, distribution: Distribution) -> None:
        """The schema of a form accepts its values, and those of its options."""
        import pytest

        jsonschema = pytest.importorskip("jsonschema")
        entry = distribution.to_yaml()
        (name,) = entry.keys() & distribution.forms.keys()
        form = distribution.forms[name]
        schemas = {**form.options, name: form.schema}
        assert entry.keys() <= schemas.keys()
        for key, value in entry.items():
            jsonschema.Draft7Validator.check_schema(schemas[key])
            jsonschema.Draft7Validator(schemas[key]).validate(value)

    def test_a_refused_value_is_explained(self, distribution: Distribution) -> None:
        """`misfit` is a sentence exactly where `contains` is false; messages name the domain."""
        for value in (*STRANGE, *_values(distribution)):
            why = distribution.misfit(value)
            assert (why is None) == distribution.contains(value)
            assert why is None or why.strip()
        if not distribution.is_fixed and distribution.bounds is not None:
            assert all(distribution.misfit(value) for value in STRANGE)
        assert distribution.domain.strip()

    def test_its_extremes_and_bounds_hold_every_value(self, distribution: Distribution) -> None:
        """`extremes` are values, and no number lies beyond `bounds`."""
        assert distribution.extremes
        assert all(map(distribution.contains, distribution.extremes))
        if distribution.bounds is not None:
            low, high = distribution.bounds
            assert all(low <= as_number(value) <= high for value in _values(distribution))

    def test_a_narrowed_range_holds_its_points_and_nothing_new(
        self, distribution: Distribution
    ) -> None:
        """`narrow` keeps the values, stays inside, and keeps the condition."""
        conditional = distribution.model_copy(update={"when": {"a.b": (1,)}})
        assert conditional.narrow([]) == conditional
        values = _values(distribution)
        for chosen in (values[:1], values[-1:], values[1:3], values):
            narrow = conditional.narrow(chosen)
            assert narrow.when == conditional.when
            assert all(map(narrow.contains, chosen))
            assert all(map(distribution.contains, _values(narrow)))
            if distribution.size is not None:
                assert narrow.size is not None
                assert narrow.size <= distribution.size

    def test_neighbours_are_values(self, distribution: Distribution) -> None:
        """Population-based training moves to values of the distribution."""
        for value in _values(distribution):
            for factor in (0.8, 1.2):
                assert distribution.contains(distribution.neighbour(value, factor))

    def test_optuna_sees_the_same_values(self, distribution: Distribution) -> None:
        """Both forms for Optuna hold every value, and codes lead back to it."""
        import pytest

        pytest.importorskip("optuna")
        from tid_tune.space.optuna_forms import storable

        form, codes = distribution.to_optuna(), distribution.optuna_codes()
        for value in _values(distribution):
            assert form._contains(form.to_internal_repr(storable(value)))
            code = distribution.to_optuna_code(value)
            assert codes._contains(codes.to_internal_repr(code))
            found = distribution.from_optuna_code(code)
            assert distribution.contains(found)
            assert _near(distribution, value, found)


def _values(distribution: Distribution) -> list[Value]:
    return [distribution.decode(unit) for unit in UNITS]


def _near(distribution: Distribution, value: Value, found: Value) -> bool:
    """Return whether a value is found again: exactly where values are numbered."""
    if distribution.size is not None:
        return same(value, found)
    return math.isclose(distribution.encode(value), distribution.encode(found), abs_tol=1e-9)
