"""The language reference is complete, and every search space we ship loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tid_tune.searchfile import load
from tid_tune.searchfile.checks.objectives import COSTS
from tid_tune.searchfile.parts import DEFAULT_TYPES, options_types
from tid_tune.searchfile.source import KEYS, SECTIONS
from tid_tune.space import distribution_names

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "search-spaces.md").read_text()


def test_the_reference_names_every_field_option_and_distribution() -> None:
    options = [key for model in SECTIONS.values() for key in model.model_fields]
    for section in DEFAULT_TYPES:
        for name, model in options_types(section).items():
            options += [name, *model.model_fields]
    for word in {*KEYS, *options, *distribution_names(), *COSTS, "when", "narrow"}:
        assert re.search(rf"\b{word}\b", REFERENCE), f"{word} is not documented"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda file: file.name
)
def test_every_shipped_search_space_loads(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    spec = load(file, check_files=False)
    assert f"search_spaces/{file.name}" in file.read_text(), "it opens with the command to run it"
    assert spec.trial.is_relative_to(ROOT)
