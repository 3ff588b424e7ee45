"""Fixtures of the MLflow tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tid_tune.searchfile.model import SearchSpec
from tid_tune.space import LogUniform


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests: making it takes seconds; each test has its own experiment."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def spec(request: pytest.FixtureRequest) -> SearchSpec:
    return SearchSpec(
        name=request.node.name.replace("[", "-").replace("]", ""),
        trial=Path("config.py"),
        epochs=2,
        space={"optim_wrapper.optimizer.lr": LogUniform(low=1e-4, high=1e-2)},
    )
