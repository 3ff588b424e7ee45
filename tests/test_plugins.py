"""The registry of parts: those of a package, those a script registers, those of entry points."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tid_tune.errors import UsageError
from tid_tune.plugins import Registry


class Part:
    """Something to register."""


class Other:
    """Something else to register."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry[type]:
    """A registry of a package without parts, and of another package with two entry points."""
    info = tmp_path / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tests.parts]\ngood = good_part\nbroken = no_such_module\n"
    )
    (tmp_path / "no_parts").mkdir()
    (tmp_path / "no_parts/__init__.py").touch()
    (tmp_path / "good_part.py").write_text("import parts_here; parts_here.found.append('good')")
    (tmp_path / "parts_here.py").write_text("found = []")
    monkeypatch.syspath_prepend(tmp_path)
    for module in ("no_parts", "good_part", "parts_here"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    return Registry("part", package="no_parts", group="tests.parts")


def test_parts_are_in_the_order_of_their_names(registry: Registry[type]) -> None:
    registry.register("b", Part)
    registry.register("a", Other)
    assert registry.names() == ["a", "b"]
    assert registry.get("b") is Part


def test_a_name_belongs_to_one_part(registry: Registry[type]) -> None:
    registry.register("a", Part)
    assert registry.register("a", Part) is Part
    with pytest.raises(UsageError, match=r"part 'a' is registered twice.*Part.*Other"):
        registry.register("a", Other)


def test_an_entry_point_is_imported_when_the_parts_are_first_asked_for(
    registry: Registry[type],
) -> None:
    import parts_here  # type: ignore[import-not-found]  # written by the fixture

    before = list(parts_here.found)
    registry.names()
    assert (before, parts_here.found) == ([], ["good"])


def test_an_entry_point_that_fails_is_named_with_its_package_and_breaks_nothing_else(
    registry: Registry[type],
) -> None:
    registry.register("a", Part)
    assert registry.get("a") is Part
    (failure,) = registry.failures()
    assert all(word in failure for word in ("'broken'", "others", "no_such_module"))
    with pytest.raises(UsageError, match=r"unknown part 'broken'(.|\n)*no_such_module"):
        registry.get("broken")
