"""Write a trained student into a folder that needs nothing of tid_tune."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from tid_tune import __version__
from tid_tune.distill.model_config import is_distiller
from tid_tune.export.origin import README, VALUES, Origin
from tid_tune.export.plain import dataset_classes, plain_config
from tid_tune.export.readme import readme
from tid_tune.export.student import (
    as_config,
    build_student,
    checkpoint_meta,
    student_weights,
)
from tid_tune.export.transforms import input_size
from tid_tune.files import make_folder, replacing, write_text
from tid_tune.openmmlab.checkpoints import load_state, save_state
from tid_tune.openmmlab.configs import Config
from tid_tune.openmmlab.setup import quiet

if TYPE_CHECKING:
    from tid_tune.export.onnx import Onnx, Size

LAUNCHER = Path(__file__).with_name("run_without_ops.py")


@dataclass(frozen=True)
class Exported:
    """What was written; `onnx` if asked for, `values` if the student comes from a search."""

    config: Path
    checkpoint: Path
    launcher: Path
    readme: Path
    values: Path | None = None
    onnx: Onnx | None = None

    @property
    def files(self) -> list[Path]:
        """All files, for telling the user."""
        graph = self.onnx.path if self.onnx else None
        files = (self.config, self.checkpoint, graph, self.launcher, self.values, self.readme)
        return [path for path in files if path is not None]


def export_student(
    config: Config | Path,
    state: Mapping[str, object] | Path,
    out: Path,
    *,
    origin: Origin | None = None,
    onnx: bool = False,
    size: Size | None = None,
) -> Exported:
    """Write what `write_student` writes, after a check that weights and config fit.

    Args:
        config: an mmdet config; of a Distiller, its student is exported.
        state: a checkpoint or its path, with plain or `student.*` weights.
        out: the folder; files of these names in it are replaced.
        origin: the trial that the student comes from.
        onnx: also write the ONNX graph.
        size: height and width of the graph's input; default: from the config's test pipeline.

    Raises:
        ConfigError: weights and model do not fit, something needs tid_tune, or the head has no
            ONNX form here.
        UsageError: `out` cannot be made, or the package `onnx` is missing.
    """
    from tid_tune.export.onnx import export_onnx

    source = as_config(config)
    loaded = state if isinstance(state, Mapping) else load_state(state)
    named = "the checkpoint" if isinstance(state, Mapping) else str(state)
    plain = plain_config(source)
    detector = build_student(plain, student_weights(loaded), named=named)
    make_folder(out, "out")
    graph = None
    if onnx:
        graph = export_onnx(detector, out / "model.onnx", size or input_size(plain))
    return write_student(source, loaded, out, origin=origin, graph=graph)


def write_student(
    config: Config,
    state: Mapping[str, object],
    out: Path,
    *,
    origin: Origin | None = None,
    graph: Onnx | None = None,
) -> Exported:
    """Write config.py, checkpoint.pth, a launcher, values.yaml of a trial, and README.md last.

    Needs no mmdet: the model is not built. The arguments are those of `export_student`; `graph` is
    what was written beside them.

    Raises:
        ConfigError: something in the config needs tid_tune.
    """
    plain, before = plain_config(config), checkpoint_meta(state)
    classes = _classes(config, before)
    meta = _meta(config, before, classes, origin)
    written = Exported(
        out / "config.py",
        out / "checkpoint.pth",
        out / "run_without_ops.py",
        out / README,
        out / VALUES if origin else None,
        graph,
    )
    written.readme.unlink(missing_ok=True)
    save_state({"meta": meta, "state_dict": _cpu(student_weights(state))}, written.checkpoint)
    with quiet(), replacing(written.config) as partial:
        plain.dump(partial)
    write_text(written.launcher, LAUNCHER.read_text(encoding="utf-8"))
    if origin is not None and written.values is not None:
        write_text(written.values, origin.values())
    write_text(written.readme, readme(plain, classes, graph, origin))
    return written


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
    origin: Origin | None,
) -> dict[str, object]:
    """Return the checkpoint's `meta`: mmdet reads `dataset_meta`, people read the rest."""
    known = before.get("tid_tune")  # an exported student is exported again
    ours: dict[str, object] = dict(known) if isinstance(known, Mapping) else {}
    ours |= {"version": __version__, **(origin.as_meta() if origin else {})}
    if is_distiller(source.get("model")):
        ours["distillation"] = dict(source.model.get("distillation") or {})
    kept = {name: before[name] for name in ("epoch", "iter", "seed") if name in before}
    return {**kept, "dataset_meta": {"classes": classes}, "tid_tune": ours}
