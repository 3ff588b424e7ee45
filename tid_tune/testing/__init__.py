"""Tests that parts of other packages inherit, and what those tests need.

Each contract is a class of pytest tests: derive from it, name your part, and pytest runs what every
part of its kind must pass. Our own parts are run by the same classes. Needs pytest.
"""

import pkgutil

import pytest

# So that a failing assertion shows its values, as in test files.
pytest.register_assert_rewrite(
    *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))
)
