from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.export_models import trained_state, write_config

from tid_tune.data.digits import write_digits


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
