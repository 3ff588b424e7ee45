"""What a new project still lacks, and the commands that get it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tid_tune.data.check import Report, check
from tid_tune.openmmlab.configs import load_config
from tid_tune.searchfile.checks.data import LOADERS, leaf_datasets, training_command
from tid_tune.shipped.project import Project

DIGITS = "data/digits"
SOURCES = {
    "data/coco": "COCO 2017, from https://cocodataset.org/#download",
    "data/VOCdevkit": "PASCAL VOC 2007 and 2012, from http://host.robots.ox.ac.uk/pascal/VOC/",
}
"""Where the data of shipped configs come from, by their folder."""


@dataclass(frozen=True)
class Step:
    """Something to do next: what for, and the command, or what to bring."""

    what: str
    command: str


def data_folders(project: Project) -> list[Path]:
    """Return the folders, or annotation files, of the data a trial trains on."""
    if project.data is not None:
        return [project.data.folder]
    config = load_config(project.spec.trial, imports=False)
    found = [_place(dataset) for loader in LOADERS for dataset in leaf_datasets(config.get(loader))]
    return [Path(place) for place in dict.fromkeys(found) if place]


def _place(dataset: Mapping[str, object]) -> str:
    return str(dataset.get("data_root") or dataset.get("ann_file") or "")


def check_folder(project: Project, folder: Path) -> Report:
    """Return what `tid-tune data check` reports of one of the data folders.

    Raises:
        DataError: the folder holds no dataset of a known layout.
    """
    return project.data.report if project.data is not None else check(folder)


def next_steps(project: Project, faulty: list[Path]) -> list[Step]:
    """Return what to do next, in order: the data, the teacher, the search.

    Args:
        project: what was written.
        faulty: the data folders in which the data check found errors.
    """
    config = load_config(project.spec.trial, imports=False)
    search = project.search.as_posix()
    return [
        *(_get_data(folder) for folder in data_folders(project) if not folder.exists()),
        *(
            Step("fix the data, until this reports no errors", f"tid-tune data check {folder}")
            for folder in faulty
        ),
        *_get_teacher(config.model.teacher, project.spec.trial),
        Step(
            "run the search; the same command goes on after any interruption",
            f"tid-tune run {search}",
        ),
    ]


def _get_data(folder: Path) -> Step:
    if folder == Path(DIGITS):
        return Step("write the demo data", f"tid-tune data digits --out {DIGITS}")
    source = SOURCES.get(folder.as_posix(), "the dataset the config names")
    return Step(f"bring the data: {source}", f"tid-tune data check {folder}")


def _get_teacher(teacher: Mapping[str, str], trial: Path) -> Iterator[Step]:
    checkpoint = Path(teacher["checkpoint"])
    if checkpoint.is_file():
        return
    command = training_command(teacher)
    address = re.search(rf"https://\S+/{re.escape(checkpoint.name)}", trial.read_text())
    if address is not None:
        yield Step(
            "download the teacher",
            f"curl --location --create-dirs --output {checkpoint} {address[0]}",
        )
    elif command is not None:
        yield Step("train the teacher; the same command goes on after an interruption", command)
    else:
        yield Step(f"bring the teacher's weights to {checkpoint}", f"ls {checkpoint}")
