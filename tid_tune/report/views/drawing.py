"""Pictures of models as files: areas, detections, and models side by side.

The commands `tid-tune draw ...` are these functions; they also work on any config and checkpoint:

    from tid_tune.report.views.drawing import Model, draw_areas, draw_comparison, draw_detections

    model = Model.of("config.py", "checkpoint.pth")
    draw_detections(model, Path("pictures"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from tid_tune.errors import UsageError
from tid_tune.files import replacing, write_text
from tid_tune.plain import json_text
from tid_tune.report.analysis.collect import Split
from tid_tune.report.charts.model import Chart
from tid_tune.report.charts.to_png import write_png
from tid_tune.report.views.area_charts import record_chart
from tid_tune.report.views.area_picture import draw_areas_of
from tid_tune.report.views.canvas import read_pixels
from tid_tune.report.views.detection_picture import detection_picture
from tid_tune.report.views.error_charts import error_charts
from tid_tune.report.views.evaluated import Evaluated, require_same_images
from tid_tune.report.views.judged import differing_images, worst_images
from tid_tune.report.views.models import Model, require_images
from tid_tune.trial.area_file import AreaRecord

__all__ = ["Model", "draw_areas", "draw_comparison", "draw_detections"]


def draw_areas(
    model: Model,
    out: Path,
    *,
    images: int = 2,
    chosen: Sequence[str] = (),
    device: str = "auto",
) -> list[Path]:
    """Draw the key and weak areas of a student over validation images, a PNG for each.

    Args:
        model: of a Distiller's config.
        out: the folder to write to.
        images: how many, evenly spread over the validation set.
        chosen: the images by their id in the annotations, instead.
        device: "auto", "cpu", "cuda", ...

    Returns:
        The files.

    Raises:
        TidTuneError: model, data or images cannot be used.
    """
    # Here, not above: it imports mmdet, which takes many seconds.
    from tid_tune.report.views.model_areas import areas_of_model

    record = areas_of_model(model, images=images, chosen=chosen, device=device)
    name = f"{model.name}, at the end" if model.trial else model.name
    return write_areas(record, out, name)


def write_areas(record: AreaRecord, out: Path, name: str) -> list[Path]:
    """Draw a record of areas: a PNG for each image, and one of the shares over the epochs."""
    paths = []
    for place, image in enumerate(record.images):
        picture = draw_areas_of(record, place, read_pixels(image.file), name)
        paths.append(_write(picture, out / f"areas_{image.image_id}.png".replace("/", "_")))
    chart = record_chart(record, name)
    return paths if chart is None else [*paths, *_charts([chart], out)]


def draw_detections(
    model: Model,
    out: Path,
    *,
    split: Split = "val",
    count: int = 4,
    limit: int | None = None,
    chosen: Sequence[str] = (),
    device: str = "auto",
) -> list[Path]:
    """Draw a model's detections beside the ground truth, on the images where it does worst.

    Args:
        model: any detector.
        out: the folder to write to.
        split: which dataloader of its config.
        count: how many images.
        limit: look for them among the first so many images.
        chosen: the images by their id, instead.
        device: "auto", "cpu", "cuda", ...

    Returns:
        The files.

    Raises:
        TidTuneError: model, data or images cannot be used.
    """
    found = model.evaluate(split, limit=limit, device=device)
    images = _places(found, chosen) or worst_images(found.judged, count)
    return write_detections([found], images, out)


def draw_comparison(
    models: Sequence[Model],
    out: Path,
    *,
    split: Split = "val",
    count: int = 4,
    limit: int | None = None,
    chosen: Sequence[str] = (),
    device: str = "auto",
) -> list[Path]:
    """Draw models side by side: curves and errors, and detections where they differ most.

    The images are those on which the quality of the first two models differs most; see
    `tid_tune.report.views.judged`.

    Args:
        models: two or more, with the same validation set.
        out: the folder to write to; see `draw_detections` for the others.
        split: as there.
        count: as there.
        limit: as there.
        chosen: as there.
        device: as there.

    Returns:
        The files.

    Raises:
        TidTuneError: a model, the data or images cannot be used, or the models cannot be compared.
    """
    found = [model.evaluate(split, limit=limit, device=device) for model in models]
    return write_comparison(found, out, count=count, chosen=chosen)


def write_comparison(
    models: Sequence[Evaluated], out: Path, *, count: int = 4, chosen: Sequence[str] = ()
) -> list[Path]:
    """Draw evaluated models side by side; see `draw_comparison`.

    Raises:
        UsageError: they cannot be compared, or there is no such image.
    """
    if len(models) < 2:
        raise UsageError("a comparison needs two models or more")
    require_same_images(models)
    images = _places(models[0], chosen)
    images = images or differing_images(models[0].judged, models[1].judged, count)
    pictures = write_detections(models, images, out)
    numbers = {model.name: model.analysis.as_json() for model in models}
    table = out / "comparison.json"
    write_text(table, json_text(numbers))
    return [*_charts(error_charts(models), out), *pictures, table]


def write_detections(models: Sequence[Evaluated], images: Sequence[int], out: Path) -> list[Path]:
    """Draw what models detect in these images, by their places in the truth, a PNG for each.

    Raises:
        UsageError: an image cannot be read.
    """
    paths = []
    for image in images:
        picture = detection_picture(models, image)
        if picture is None:
            file = models[0].files[image]
            raise UsageError(f"the image {file or models[0].truth.image_ids[image]} is not there")
        name = f"detections_{models[0].truth.image_ids[image]}.png"
        paths.append(_write(picture, out / name.replace("/", "_")))
    return paths


def _places(model: Evaluated, chosen: Sequence[str]) -> list[int]:
    known = {str(image_id): place for place, image_id in enumerate(model.truth.image_ids)}
    wanted = require_images(chosen, known, "among those that were evaluated")
    return [known[name] for name in wanted]


def _charts(charts: Iterable[Chart], out: Path) -> list[Path]:
    paths = []
    for chart in charts:
        path = out / f"{chart.name}.png"
        with replacing(path) as partial:
            write_png(chart, partial)
        paths.append(path)
    return paths


def _write(picture: Image.Image, path: Path) -> Path:
    with replacing(path) as partial:
        picture.save(partial, optimize=True)
    return path
