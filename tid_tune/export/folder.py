"""Write a trained student into a folder that needs nothing of tid_tune."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from tid_tune import __version__
from tid_tune.distill.model_config import is_distiller
from tid_tune.export import run_without_ops
from tid_tune.export.onnx import Onnx, Size, export_onnx
from tid_tune.export.plain import dataset_classes, plain_config
from tid_tune.export.readme import readme
from tid_tune.export.student import (
    as_config,
    build_student,
    checkpoint_meta,
    student_weights,
)
from tid_tune.export.transforms import input_size
from tid_tune.files import make_folder
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.setup import quiet


@dataclass(frozen=True)
class Exported:
    """What was written; `onnx` if asked for."""

    config: Path
    checkpoint: Path
    launcher: Path
    readme: Path
    onnx: Onnx | None

    @property
    def files(self) -> list[Path]:
        """All files, for telling the user."""
        graph = [self.onnx.path] if self.onnx else []
        return [self.config, self.checkpoint, *graph, self.launcher, self.readme]


def export_student(
    config: Config | Path,
    state: Mapping[str, object] | Path,
    out: Path,
    *,
    provenance: Mapping[str, object] | None = None,
    onnx: bool = False,
    size: Size | None = None,
) -> Exported:
    """Write config.py, checkpoint.pth, README.md and a launcher, and model.onnx on demand.

    Args:
        config: an mmdet config; of a Distiller, its student is exported.
        state: a checkpoint or its path, with plain or `student.*` weights.
        out: the folder; files of these names in it are replaced.
        provenance: where the student comes from (searched values, metrics); plain data, kept in
            the checkpoint's `meta`.
        onnx: also write the ONNX graph.
        size: height and width of the graph's input; default: from the config's test pipeline.

    Raises:
        ConfigError: weights and model do not fit, something needs tid_tune, or the head has no
            ONNX form here.
        UsageError: `out` cannot be made, or the package `onnx` is missing.
    """
    source = as_config(config)
    loaded = state if isinstance(state, Mapping) else load_state(state)
    named = "the checkpoint" if isinstance(state, Mapping) else str(state)
    plain, weights = plain_config(source), student_weights(loaded)
    detector = build_student(plain, weights, named=named)
    make_folder(out, "out")
    graph = None
    if onnx:
        graph = export_onnx(detector, out / "model.onnx", size or input_size(plain))
    with quiet():
        plain.dump(out / "config.py")
    before = checkpoint_meta(loaded)
    classes = _classes(source, before)
    meta = _meta(source, before, classes, provenance or {})
    save_state({"meta": meta, "state_dict": _cpu(weights)}, out / "checkpoint.pth")
    launcher = out / "run_without_ops.py"
    shutil.copyfile(run_without_ops.__file__, launcher)
    (out / "README.md").write_text(readme(plain, classes, graph), encoding="utf-8")
    return Exported(out / "config.py", out / "checkpoint.pth", launcher, out / "README.md", graph)


def _cpu(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in weights.items()}


def _classes(source: Config, before: Mapping[str, object]) -> tuple[str, ...]:
    """Return the class names that the checkpoint has, or else those of the config's data."""
    dataset = before.get("dataset_meta")
    classes = dataset.get("classes") if isinstance(dataset, Mapping) else None
    return tuple(classes or dataset_classes(source))


def _meta(
    source: Config,
    before: Mapping[str, object],
    classes: tuple[str, ...],
    provenance: Mapping[str, object],
) -> dict[str, object]:
    """Return the checkpoint's `meta`: mmdet reads `dataset_meta`, people read the rest."""
    ours: dict[str, object] = {"version": __version__, **provenance}
    if is_distiller(source.get("model")):
        ours["distillation"] = dict(source.model.get("distillation") or {})
    kept = {name: before[name] for name in ("epoch", "iter", "seed") if name in before}
    return {**kept, "dataset_meta": {"classes": classes}, "tid_tune": ours}
