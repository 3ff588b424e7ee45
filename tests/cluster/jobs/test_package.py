"""What is uploaded with a job: what Git ignores and the search reads, too, and not too much."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tid_tune.cluster.jobs.package import collect
from tid_tune.cluster.jobs.place import in_package, require_lasting
from tid_tune.errors import UsageError

FILES = {
    "search.yaml": "name: x",
    "configs/trial.py": "model = 1",
    "data/set/train.json": "{}",
    "data/set/train/1.png": "image",
    "data/other.bin": "other",
    "runs/old/ledger.jsonl": "{}",
    "runs/teacher/checkpoint.pth": "weights",
    ".git/HEAD": "ref",
    ".env": "PASSWORD=x",
    "pkg/__pycache__/a.pyc": "",
    "mlflow.db": "",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / ".gitignore").write_text("/data/\n/runs/\n")
    return tmp_path


def test_what_git_ignores_is_left_out_unless_the_search_reads_it(project: Path) -> None:
    needed = [Path("data/set/train.json"), Path("data/set/train"), Path("configs/trial.py")]
    needed += [Path("runs/teacher/checkpoint.pth")]
    package = collect(project, needed)
    assert set(map(str, package.files)) == {
        ".gitignore",
        "search.yaml",
        "configs/trial.py",
        "data/set/train.json",
        "data/set/train/1.png",
        "runs/teacher/checkpoint.pth",
    }
    lines = package.describe()
    assert "6 files" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == [
        "data/set/train.json",
        "data/set/train",
        "runs/teacher/checkpoint.pth",
    ]


def test_what_is_missing_is_named_before_anything_is_uploaded(project: Path) -> None:
    with pytest.raises(UsageError) as refused:
        collect(project, [Path("data/set/val.json"), Path("teacher.pth"), Path("configs")])
    first, second = refused.value.messages
    assert first.startswith("data/set/val.json: the search reads it, and it is not in")
    assert second.startswith("teacher.pth: ")


def test_too_much_is_refused_with_what_is_large(project: Path) -> None:
    (project / "data/set/train/2.png").write_bytes(b"x" * 3000)
    with pytest.raises(UsageError, match=r"data/set/train 3.*--no-upload"):
        collect(project, [Path("data/set/train")], limit=2000)


def test_the_same_files_are_the_same_package(project: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    collect(project, []).write(first)
    (project / "search.yaml").touch()
    first.rename(tmp_path.parent / "first.zip")
    collect(project, []).write(second)
    assert (tmp_path.parent / "first.zip").read_bytes() == second.read_bytes()
    with zipfile.ZipFile(second) as archive:
        assert archive.read("configs/trial.py") == b"model = 1"


def test_a_run_in_rays_package_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "session_x/runtime_resources/working_dir_files/_ray_pkg_0123"
    assert in_package(package / "runs")
    with pytest.raises(UsageError, match=r"--runs .*tid-tune submit"):
        require_lasting(package / "runs/toy")
    require_lasting(Path("/shared/working_dir_files/runs/toy"))
