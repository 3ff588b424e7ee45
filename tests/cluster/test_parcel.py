"""What workers get of the driver's folder: it reads the same where that folder is not."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from tid_tune.cluster import parcel as parcels
from tid_tune.cluster.messages import WorkOrder
from tid_tune.cluster.parcel import Parcel, begin
from tid_tune.cluster.parcel_files import parcel_of
from tid_tune.cluster.trainable import TrialTrainable
from tid_tune.cluster.tuner import _with
from tid_tune.errors import ConfigError, TidTuneError
from tid_tune.searchfile.model import Interval

BASE = "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1, betas=(0.9, 0.99)))\n"
CONFIG = """
_base_ = ["bases/schedule.py"]
custom_imports = dict(imports=["my_parts.losses", "my_hook", "json"], allow_failed_imports=False)
train_dataloader = dict(dataset=dict(data_root="${env:TID_DATA}/coco/"))
model = dict(type="Distiller", teacher=dict(config="teachers/t.py", checkpoint="t.pth"))
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A driver's folder, which is the current one, and a place for what is unpacked."""
    files = {
        "bases/schedule.py": BASE,
        "config.py": CONFIG,
        "teachers/t.py": "model = dict(type='GFL', backbone=dict(depth=50))\n",
        "my_parts/__init__.py": "",
        "my_parts/losses.py": "WEIGHT = 3\n",
        "my_hook.py": "NAME = 'hook'\n",
        "unrelated.py": "",
    }
    for name, text in files.items():
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).write_text(text)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def test_config_bases_teacher_and_custom_imports_travel_and_nothing_else(project: Path) -> None:
    parcel = parcel_of(Path("config.py"), imports=False)
    names = [name for name, _ in parcel.files]
    assert names == [
        "config.py",
        "my_hook.py",
        "my_parts/__init__.py",
        "my_parts/losses.py",
        "teacher.py",
    ]


def test_another_process_without_the_folder_reads_the_same(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TID_DATA", "/mnt/driver")
    sent = pickle.dumps(parcel_of(Path("config.py"), imports=False))
    shutil.rmtree(project)
    (project.parent / "sent").write_bytes(sent)
    script = (
        "import pickle, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
        "from tid_tune.openmmlab.configs import load_config\n"
        "path = pickle.load(open('sent', 'rb')).unpack()\n"
        "config = load_config(path, imports=False)\n"
        "import my_parts.losses, my_hook\n"
        "teacher = load_config(config.model.teacher.config, imports=False)\n"
        "print([config.optim_wrapper.optimizer.betas, config.train_dataloader.dataset.data_root,\n"
        "       teacher.model.backbone.depth, my_parts.losses.WEIGHT, my_hook.NAME])\n"
    )
    monkeypatch.setenv("TID_DATA", "/mnt/node")
    done = subprocess.run(
        [sys.executable, "-c", script, str(project.parent / "tmp")],
        cwd=project.parent,
        capture_output=True,
        text=True,
    )
    expected = [(0.9, 0.99), "/mnt/node/coco/", 50, 3, "hook"]
    assert done.stdout.strip() == str(expected), done.stderr


def test_what_a_file_cannot_hold_is_named_with_its_config(project: Path) -> None:
    (project / "config.py").write_text("train_cfg = dict(key=lambda x: x)\n")
    with pytest.raises(ConfigError, match=r"config\.py.*has values"):
        parcel_of(Path("config.py"), imports=False)


def test_the_same_content_has_one_folder_which_is_written_once(project: Path) -> None:
    parcel = parcel_of(Path("config.py"), imports=False)
    path = parcel.unpack()
    path.with_name("mark").touch()
    assert Parcel(parcel.files).unpack() == path
    assert path.with_name("mark").exists()
    files = tuple((name, content + b"\n") for name, content in parcel.files)
    assert replace(parcel, files=files).unpack() != path


def test_a_folder_that_others_can_write_is_refused(project: Path) -> None:
    parcel = parcel_of(Path("config.py"), imports=False)
    parcel.unpack().parent.parent.chmod(0o777)
    with pytest.raises(TidTuneError, match="written by other users"):
        parcel.unpack()


def test_a_trial_begins_in_the_drivers_folder_if_it_is_there_and_beside_its_config_if_not(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = WorkOrder(
        trial="t0001",
        segment=0,
        config=project / "config.py",
        edits={},
        seed=0,
        epochs=1,
        report_every=Interval(),
        work_dir=project.parent / "runs" / "t0001",
        root=project,
    )
    parcel = parcel_of(Path("config.py"), imports=False)
    assert begin(order, None) == order
    assert order.work_dir.is_dir()
    assert begin(order, parcel).config == parcel.unpack()
    assert Path.cwd() == project
    shutil.rmtree(project)
    begin(order, parcel)
    assert Path.cwd() == parcel.unpack().parent


def test_the_parcel_travels_with_the_class_of_the_trainable() -> None:
    import ray.cloudpickle as cloudpickle

    class Plain(TrialTrainable):
        def build(self, order: WorkOrder) -> object:  # type: ignore[override]
            return order

    parcel = Parcel((("config.py", b""),))
    assert _with(None, Plain) is Plain
    sent = cloudpickle.loads(cloudpickle.dumps(_with(parcel, Plain)))
    assert sent.parcel == parcel
    assert Plain.parcel is None
    assert parcels.CONFIG == "config.py"
