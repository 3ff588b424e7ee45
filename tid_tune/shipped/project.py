"""`create`: a folder with a search space and its configs, ready for a user to change and run."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tid_tune.errors import SpecError, UsageError
from tid_tune.openmmlab.configs import load_config
from tid_tune.search.stream import check_points
from tid_tune.searchfile import load
from tid_tune.searchfile.config import max_epochs
from tid_tune.searchfile.schema import schema_text
from tid_tune.shipped import wrapping
from tid_tune.shipped.copying import Parts, copy_configs, parts_of, relocated
from tid_tune.shipped.files import ShippedSpace, find_space
from tid_tune.shipped.own_data import OwnData, read_own_data
from tid_tune.shipped.search_text import search_text

if TYPE_CHECKING:
    from tid_tune.openmmlab.configs import Config
    from tid_tune.searchfile.model import SearchSpec

DEMO, GENERAL = "digits_gfl_tid", "coco_gfl_r50_tid"
"""The search spaces that are copied where none is named: without and with parts of one's own."""
LR = "optim_wrapper.optimizer.lr"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
_UNSAFE = re.compile(r"[\"'\\{}\x00-\x1f]")


@dataclass(frozen=True)
class Wishes:
    """What the user named on the command line; None where an option was not given."""

    space: str | None = None
    student: str | None = None
    teacher_config: str | None = None
    teacher_checkpoint: str | None = None
    data: Path | None = None

    @property
    def own(self) -> bool:
        """Whether anything of the user's own takes part."""
        return any((self.student, self.teacher_config, self.teacher_checkpoint, self.data))


@dataclass(frozen=True)
class Project:
    """What `create` wrote: the search space, as it is loaded, and the data it trains on."""

    folder: Path
    space: ShippedSpace
    search: Path
    spec: SearchSpec
    data: OwnData | None


def create(folder: Path, wishes: Wishes) -> Project:
    """Write a new `folder` with a search space, its configs and the JSON schema.

    Raises:
        UsageError: the folder exists, an option is wrong, or the parts do not fit together.
            Nothing is left behind then.
    """
    _check_target(folder)
    space = find_space(wishes.space or (GENERAL if wishes.own else DEMO))
    _check_files(wishes)
    data = read_own_data(wishes.data, folder / "annotations") if wishes.data is not None else None
    try:
        folder.mkdir(parents=True)
        trial = _write_configs(folder, space, wishes, data)
        search = _write_search(folder, space, wishes, trial)
        spec = load(search, check_files=False)
        check_points(spec)
    except SpecError as error:
        shutil.rmtree(folder)
        texts = re.sub(rf"^{re.escape(str(folder))}\S*?:\d+: ", "  ", str(error), flags=re.M)
        raise UsageError(
            f"these do not fit together, and {folder} was not written:\n{texts}\n"
            f"The search space is {space.name}; --from names another. A teacher of your own is "
            "named by --teacher-config; --data sets data and classes of student and teacher."
        ) from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Project(folder, space, search, spec, data)


def _check_target(folder: Path) -> None:
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} exists; name a new folder, init never overwrites")
    if not _NAME.fullmatch(folder.name):
        raise UsageError(
            f"{folder.name!r} cannot name a search; expected up to 100 letters, digits and `. _ -`"
        )
    if _UNSAFE.search(str(folder)):
        raise UsageError(f"{folder}: expected a path without quotes, braces and backslashes")


def _check_files(wishes: Wishes) -> None:
    for option, file in (
        ("--student", wishes.student),
        ("--teacher-config", wishes.teacher_config),
        ("--teacher-checkpoint", wishes.teacher_checkpoint),
    ):
        ours = option == "--student" and file is not None and "::" in file
        if file is None or ours or Path(file).is_file():
            continue
        hint = "paths are relative to the current folder"
        if option == "--teacher-checkpoint":
            hint += ". Without the option, init names the command that trains the teacher"
        raise UsageError(f"{option} {file}: no such file; {hint}")


def _write_configs(folder: Path, space: ShippedSpace, wishes: Wishes, data: OwnData | None) -> Path:
    """Write the configs and return that of a trial."""
    home = folder / "configs"
    if not wishes.own:
        parts = parts_of(space)
        copy_configs(space, (space.config, parts.teacher), folder)
        return home / space.config.name
    home.mkdir()
    parts = parts_of(space)
    if data is not None:
        _write(home / wrapping.DATA_FILE, data.config_text())
        for path, text in data.documents.items():
            _write(path, text)
    student = _write_student(folder, space, parts, wishes, data)
    teacher, checkpoint = _write_teacher(folder, space, parts, wishes, data)
    trial = home / "distill.py"
    about = f"The student of {student} learns from the teacher of {teacher}."
    base = wrapping.base_text(student, home)
    _write(trial, wrapping.distiller_text(about, base, teacher, checkpoint))
    return trial


def _write_student(
    folder: Path, space: ShippedSpace, parts: Parts, wishes: Wishes, data: OwnData | None
) -> str:
    """Write the plain student, if it is not the user's file as it is, and return its name."""
    if wishes.student is None:
        copy_configs(space, (parts.student,), folder)
        name = (folder / "configs" / parts.student.name).as_posix()
    else:
        name = wishes.student
    config = wrapping.read_detector("--student", name)
    if data is None:
        return name
    return _write_on_data(folder / "configs" / "student.py", "student", name, config, data)


def _write_teacher(
    folder: Path, space: ShippedSpace, parts: Parts, wishes: Wishes, data: OwnData | None
) -> tuple[str, str]:
    """Write the teacher's config, if it is not the user's own; return it and its weights."""
    to_train = f"runs/teacher-{folder.name}/checkpoint.pth"
    if wishes.teacher_config is not None:
        return wishes.teacher_config, wishes.teacher_checkpoint or to_train
    copy_configs(space, (parts.teacher,), folder)
    name = (folder / "configs" / parts.teacher.name).as_posix()
    if data is None:
        return name, wishes.teacher_checkpoint or parts.checkpoint
    config = load_config(name, imports=False)
    path = folder / "configs" / "teacher.py"
    teacher = _write_on_data(path, "teacher", name, config, data)
    return teacher, wishes.teacher_checkpoint or to_train


def _write_on_data(path: Path, role: str, name: str, config: Config, data: OwnData) -> str:
    about = f"The {role}: the detector of {name}, on the data of {data.folder.as_posix()}."
    base = wrapping.base_text(name, path.parent)
    text = wrapping.on_own_data(about, name, config, base)
    if role == "teacher" and "base_batch_size" in config.get("auto_scale_lr", {}):
        text += "\n# The learning rate follows the images of an iteration.\n"
        text += "auto_scale_lr = dict(enable=True)\n"
    _write(path, text)
    return path.as_posix()


def _write_search(folder: Path, space: ShippedSpace, wishes: Wishes, trial: Path) -> Path:
    """Write the search space and the schema an editor checks it by."""
    path = folder / "search.yaml"
    config = load_config(trial, imports=False)
    fields = dict(space.fields) | {"name": folder.name, "trial": trial.as_posix()}
    length = max_epochs(config)
    if length is not None and (wishes.student is not None or "epochs" not in fields):
        fields["epochs"] = length
    if wishes.own:
        fields["tracking"] = {"experiment": folder.name}
    if wishes.student is not None and LR in fields["space"]:
        fields["space"] = fields["space"] | {LR: _around(config)}
    fields.setdefault("baseline", True)
    origin = f"A copy of the search space {space.name}, which tid-tune ships. "
    about = [relocated(text, space, folder) for text in space.purpose]
    if wishes.own:
        about = ["The values to search are a start for detectors of this kind, not yet for yours."]
    _write(path, search_text(fields, path, [origin + about[0], *about[1:]]))
    _write(folder / "schema.json", schema_text())
    return path


def _around(config: Config) -> dict[str, list[float]]:
    """Return the distribution of a learning rate around the student's own."""
    rate = config.optim_wrapper.optimizer.lr
    return {"log_uniform": [float(f"{rate / 3:.2g}"), float(f"{rate * 3:.2g}")]}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
