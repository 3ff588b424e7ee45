"""`start_from`: points to try first, also from a file, or the best trials of an earlier run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tid_tune.errors import TidTuneError, nearest
from tid_tune.ledger.file import LEDGER_NAME
from tid_tune.searchfile.merge import read_text, shown_path
from tid_tune.searchfile.names import UnknownName, full_name
from tid_tune.searchfile.problems import Problems
from tid_tune.searchfile.transfer import Transfer, read_transfer
from tid_tune.searchfile.tree import MAX_BYTES, Node, parse
from tid_tune.space import Constraint, Distribution, Params
from tid_tune.space.values import describe, same
from tid_tune.storage.places import Uri


@dataclass(frozen=True)
class _Item:
    """A point as it is written, and where it is."""

    at: str
    """Its place, such as `start_from[0]`, counted in the list or in the file."""
    node: Node
    file: str = ""
    """For a point of a file: how to go on where it does not fit the space."""


def read_start(
    node: Node,
    space: Mapping[str, Distribution],
    require: tuple[Constraint, ...],
    problems: Problems,
) -> tuple[tuple[Params, ...], Transfer | None]:
    """Return the points of a list or a file, or the transfer of a map; note problems."""
    if isinstance(node.value, dict):
        return (), read_transfer(node, problems)
    if not isinstance(node.value, list | str):
        text = f"expected a list of points, a file or {{run: FOLDER}}, got {describe(node.plain())}"
        problems.add(node.where, "start_from", text)
        return (), None
    points = []
    for item in _items(node, problems):
        if not isinstance(item.node.value, dict):
            got = describe(item.node.plain())
            text = f"expected a map of parameters and values, got {got}"
            problems.add(item.node.where, item.at, text)
            continue
        points.append(_read_point(item, space, require, problems))
    return tuple(points), None


def _items(node: Node, problems: Problems) -> Iterator[_Item]:
    """Yield the points of a list, or of a file that stands in its place or in one of its items."""
    if isinstance(node.value, str):
        yield from _points_of_file("start_from", node, problems)
        return
    for index, item in enumerate(node.value if isinstance(node.value, list) else []):
        at = f"start_from[{index}]"
        if isinstance(item.value, str):
            yield from _points_of_file(at, item, problems)
        else:
            yield _Item(at, item)


def _points_of_file(at: str, node: Node, problems: Problems) -> Iterator[_Item]:
    """Yield the points in a file, such as best/values.yaml: one map, or a list of them."""
    named = str(node.value)
    path = Path(named)
    source = named if "://" in named else shown_path(path)
    if "://" in named:
        text = _read_stored(named, node, problems, at)
    elif path.is_file():
        text = read_text(path, source, node, problems, at)
    else:
        problems.add(node.where, at, _no_file(path))
        return
    tree = None if text is None else parse(text, source, problems)
    if tree is None:
        return
    file = f"this file is named at {node.where} ({at}); "
    if isinstance(tree.value, dict):
        yield _Item("", tree, file)
    elif isinstance(tree.value, list):
        yield from (_Item(f"[{index}]", item, file) for index, item in enumerate(tree.value))
    else:
        got = "an empty file" if tree.value is None else describe(tree.plain())
        problems.add(tree.where, "", f"expected a list of points or one map of values, got {got}")


def _read_stored(named: str, node: Node, problems: Problems, at: str) -> str | None:
    """Return the text of a file in a store; None with a problem noted."""
    from tid_tune.storage.objects import Objects

    try:
        uri = Uri.parse(named)
        objects = Objects(uri.parent)
        size = objects.size(uri.name)
        if size is not None and size <= MAX_BYTES:
            return objects.read(uri.name).decode("utf-8-sig")
        wrong = f"there is no file {named}" if size is None else f"{named} is too large"
        form = "{run: URI}"
        wrong += f"; name a file of points, or write start_from: {form} for a run's best trials"
    except TidTuneError as error:
        wrong = str(error)
    except UnicodeDecodeError:
        wrong = f"{named} is not UTF-8 text"
    problems.add(node.where, at, wrong)
    return None


def _no_file(path: Path) -> str:
    """Return what to write instead of a text that names no file of points."""
    if (path / LEDGER_NAME).is_file():
        values = path / "best/values.yaml"
        best = f", or {values} for the values of its best one" if values.is_file() else ""
        form = f"start_from: {{run: {path}}}"
        return f"{path} is the folder of a run; write {form} for its best trials{best}"
    if path.is_dir():
        return f"{path} is a folder without a {LEDGER_NAME}; name a run folder or a file of points"
    expected = "expected points, a file of points or {run: FOLDER}"
    if not path.suffix and len(path.parts) == 1:
        return f"{expected}, got {describe(str(path))}, which is no file"
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    match = nearest(path.name, (entry.name for entry in beside))
    hint = f"did you mean {str(path.parent / match)!r}? It must be " if match else ""
    return (
        f"there is no file {str(path)!r}; {hint or 'name '}a file of points, relative to the "
        "current folder"
    )


def _read_point(
    item: _Item,
    space: Mapping[str, Distribution],
    require: tuple[Constraint, ...],
    problems: Problems,
) -> Params:
    def note(node: Node, place: str, text: str, fix: str = "") -> None:
        fixed = f"; {fix}" if fix else ""
        if item.file:
            fixed = f"; {item.file}{fix or 'change or remove the value'}"
        problems.add(node.where, place, text + fixed)

    at, node = item.at, item.node
    point: Params = {}
    before = len(problems)
    for name, child in node.entries.items():
        try:
            path = full_name(name, space)
        except UnknownName as error:
            note(child, at, str(error), "remove it, or add it to `space`" if item.file else "")
            continue
        value = child.plain()
        wrong = space[path].misfit(value)
        if path in point:
            note(child, at, f"{path} is given twice", "keep one")
        elif wrong:
            note(child, _under(at, path), wrong)
        point[path] = value
    if len(problems) > before:
        return point
    for path in point:
        idle = _idle(path, point, space)
        if idle:
            note(node, _under(at, path), f"has no effect: {idle}", "remove it")
    for constraint in require:
        if not constraint.holds(point):
            note(node, at, f"breaks require: {constraint.text}", "change the values")
    return point


def _under(at: str, path: str) -> str:
    return f"{at}.{path}" if at else path


def _idle(path: str, point: Params, space: Mapping[str, Distribution]) -> str | None:
    """Return the condition that switches `path` off in this very point, or None."""
    for parent, values in space[path].when.items():
        if parent in point and not any(same(point[parent], value) for value in values):
            return f"{parent} is {describe(point[parent])} in this point"
        above = _idle(parent, point, space) if parent in space else None
        if above:
            return above
    return None
