"""`tid-tune spaces` and `tid-tune init`: what is shipped, and a copy of it to work with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tid_tune.cli.options import Json, local

if TYPE_CHECKING:
    from tid_tune.shipped.files import ShippedSpace
    from tid_tune.shipped.project import Project

INDENT = "    "


def spaces(as_json: Json = False) -> None:
    """List the shipped search spaces; `tid-tune init NAME --from SPACE` copies one."""
    from tid_tune.console import answer, say
    from tid_tune.shipped import files

    if as_json:
        names = ("name", "path", "config", "detector", "data", "methods", "trials", "summary")
        found = [{name: getattr(one, name) for name in names} for one in files.spaces()]
        answer({"spaces": found})
        return
    rows = [(space, _columns(space)) for space in files.spaces()]
    head = ("space", "student on data", "method", "trials")
    widths = [
        max(len(cells[i]) for cells in [head, *(cells for _, cells in rows)]) for i in range(4)
    ]
    say(_line(head, widths), style="bold")
    for space, cells in rows:
        say(_line(cells, widths))
        say(INDENT + space.summary)
    say()
    say("tid-tune init NAME --from SPACE copies one, with its configs, into a folder NAME")


Folder = Annotated[
    Path, typer.Argument(metavar="NAME", help="The folder to create.", callback=local)
]
Space = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="SPACE",
        help="The shipped search space to copy; `tid-tune spaces` lists them. "
        "Default: digits_gfl_tid, or coco_gfl_r50_tid with any other option.",
    ),
]
Student = Annotated[
    str | None,
    typer.Option(
        metavar="CONFIG", help="Your plain student: an mmdet config, or mmdet::gfl/....py."
    ),
]
TeacherConfig = Annotated[
    str | None,
    typer.Option(metavar="CONFIG", help="Your teacher's mmdet config. Default: the shipped one."),
]
TeacherCheckpoint = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Your teacher's weights. Without it, init says how to get them."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Your dataset in COCO or VOC form; it also sets the classes.",
        callback=local,
    ),
]


def init(
    folder: Folder,
    space: Space = None,
    student: Student = None,
    teacher_config: TeacherConfig = None,
    teacher_checkpoint: TeacherCheckpoint = None,
    data: Data = None,
) -> None:
    """Write a search space and its configs, to change and run, into a new folder NAME."""
    from tid_tune.shipped.project import Wishes, create

    wishes = Wishes(space, student, teacher_config, teacher_checkpoint, data)
    project = create(folder, wishes)
    _show_files(project)
    faulty = _show_data(project)
    _show_search(project)
    _show_steps(project, faulty)
    if faulty:
        raise typer.Exit(1)


def _show_files(project: Project) -> None:
    from tid_tune.console import say

    files = sorted(path for path in project.folder.rglob("*") if path.is_file())
    say(f"wrote {project.folder}, from the shipped search space {project.space.name}:")
    for path in files:
        say(INDENT + path.as_posix())


def _show_data(project: Project) -> list[Path]:
    """Print what the data check reports, and return the folders in which it found errors."""
    from tid_tune.console import say
    from tid_tune.errors import DataError
    from tid_tune.shipped.next_steps import check_folder, data_folders

    faulty = []
    for folder in data_folders(project):
        say()
        say(f"tid-tune data check {folder}", style="bold")
        if not folder.exists():
            say(f"{INDENT}not there yet")
            continue
        try:
            report = check_folder(project, folder)
        except DataError as error:
            say(f"{INDENT}{error}")
            faulty.append(folder)
            continue
        for line in report.lines():
            say(f"{INDENT}{line}".rstrip())
        if report.errors:
            faulty.append(folder)
    return faulty


def _show_search(project: Project) -> None:
    from tid_tune.cli.validate import show_spec
    from tid_tune.console import say
    from tid_tune.errors import SpecError
    from tid_tune.searchfile import load

    say()
    say(f"tid-tune validate {project.search}", style="bold")
    try:
        load(project.search)
    except SpecError as error:  # files that are missing: all else was checked before
        say("the search space is valid, but it cannot run yet:")
        for line in str(error).splitlines():
            say(INDENT + line)
        say()
    show_spec(project.spec)


def _show_steps(project: Project, faulty: list[Path]) -> None:
    from tid_tune.console import say
    from tid_tune.shipped.next_steps import next_steps

    say()
    say("next:", style="bold")
    for number, step in enumerate(next_steps(project, faulty), start=1):
        say(f"{number}. {step.what}")
        say(INDENT + step.command)


def _columns(space: ShippedSpace) -> tuple[str, str, str, str]:
    count = len(space.methods)
    method = space.methods[0] if count == 1 else f"{count} methods"
    return space.name, f"{space.detector} on {space.data}", method, str(space.trials)


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
