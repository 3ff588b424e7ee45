from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from support.export_models import WEIGHT, trained_state, write_config
from support.search_cases import make_spec

from tid_tune.data.digits import write_digits
from tid_tune.ledger.file import Ledger
from tid_tune.search.engine import Search
from tid_tune.space import Choice


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a little digits data."""
    root = tmp_path_factory.mktemp("student") / "digits"
    write_digits(root, images=96, val_images=24)
    return root


@pytest.fixture(scope="session")
def trained(digits: Path) -> tuple[Path, Path]:
    """Config path and checkpoint path of a plain GFL that finds some digits."""
    config = write_config(digits.parent / "gfl.py", "GFL", digits)
    checkpoint = digits.parent / "gfl.pth"
    torch.save({"state_dict": trained_state(config), "meta": {"epoch": 4}}, checkpoint)
    return config, checkpoint


@pytest.fixture(scope="session")
def distilled(trained: tuple[Path, Path], digits: Path) -> tuple[Path, Path]:
    """Config path and checkpoint path of a Distiller whose student is the trained GFL."""
    from support.export_models import DISTILLER

    config = write_config(digits.parent / "distiller.py", "GFL", digits, DISTILLER)
    state = torch.load(trained[1], weights_only=True)["state_dict"]
    weights = {f"student.{name}": value for name, value in state.items()}
    weights["method.adapt.0.weight"] = torch.zeros(16, 16, 1, 1)
    checkpoint = digits.parent / "distiller.pth"
    meta = {"epoch": 6, "dataset_meta": {"classes": tuple("0123456789")}}
    torch.save({"state_dict": weights, "meta": meta, "optimizer": {}}, checkpoint)
    return config, checkpoint


@pytest.fixture
def run_folder(distilled: tuple[Path, Path], tmp_path: Path) -> Path:
    """A finished search of two trials, values 0.1 and 0.2; best/ is not written yet."""
    folder = tmp_path / "runs" / "demo"
    folder.mkdir(parents=True)
    spec = make_spec(
        name="demo",
        trial=distilled[0],
        epochs=1,
        space={WEIGHT: Choice(values=(0.5, 2.0))},
        sampler={"type": "grid"},
        scheduler={"type": "none"},
        baseline=False,
        confirm=None,
        trials=2,
    )
    ledger = Ledger.open(folder / "ledger.jsonl", sync=False)
    search = Search.open(spec, ledger)
    for value in (0.1, 0.2):
        work = search.next()
        checkpoint = f"trials/{work.trial}/step_000001.pth"
        (folder / checkpoint).parent.mkdir(parents=True)
        shutil.copyfile(distilled[1], folder / checkpoint)
        metrics = {"coco/bbox_mAP": value}
        search.report(work.trial, 1, 1.0, metrics, 1.0, 8, checkpoint)
        search.complete(work.trial)
    ledger.close()
    return folder
