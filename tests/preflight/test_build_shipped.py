"""No shipped config is refused: each is what somebody trains."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_trials import CONFIGS, ROOT, dataset_of, small_edits
from support.standard_layouts import write_all

from tid_tune.openmmlab.configs import set_value
from tid_tune.preflight.build import check_build
from tid_tune.preflight.plan import Plan


@pytest.fixture(scope="module")
def data_roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{dataset_of(path)}/{path.stem}")
def test_a_shipped_config_can_be_built(
    path: Path, data_roots: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    plan = Plan.of_config(path)
    for where, value in small_edits(plan.config, data_roots[dataset_of(path)]).items():
        set_value(plan.config, where, value)
    assert check_build(plan) == []
