"""The data of a config: what `tid-tune data check` finds, class names, and what is left of it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tid_tune.console import shown_path
from tid_tune.data.check_boxes import check_boxes
from tid_tune.data.check_images import check_images
from tid_tune.data.coco import load_document, tabulate
from tid_tune.data.findings import Finding as DataFinding
from tid_tune.data.findings import Findings
from tid_tune.data.table import Table
from tid_tune.data.voc import tabulate_voc
from tid_tune.data.voc_lists import read_names
from tid_tune.distill.model_config import is_distiller
from tid_tune.errors import ConfigError, DataError
from tid_tune.openmmlab.datasets import as_read, filters_as_usual
from tid_tune.preflight.filters import kept_images, usable_boxes
from tid_tune.preflight.findings import Finding, at, error, warning
from tid_tune.preflight.names import compare, differ
from tid_tune.preflight.plan import Plan
from tid_tune.preflight.sources import Part, Source, dataset_sources, evaluator_sources
from tid_tune.preflight.teacher_names import teacher_names
from tid_tune.searchfile.checks.data import check_data as check_files
from tid_tune.searchfile.checks.detectors import declared_classes, number_fault

SAMPLE = 200
"""So many images of a dataset are looked at; `tid-tune data check` looks at all."""


@dataclass
class _Files:
    """The annotation files that were read, each once."""

    tables: dict[Path, tuple[Table | None, Findings]] = field(default_factory=dict)

    def read(self, source: Source) -> tuple[Table | None, Findings]:
        """Return what a file holds, None if it cannot be read, and what is wrong with it."""
        path = source.annotations.resolve()
        if path not in self.tables:
            findings = Findings()
            try:
                self.tables[path] = _tabulate(source, findings), findings
            except DataError as problem:
                findings.add("annotation-file", source.place, str(problem))
                self.tables[path] = None, findings
        return self.tables[path]


def check_data(plan: Plan) -> Iterator[Finding]:
    """Yield what is wrong with the data of a training and its validation."""
    files = _Files()
    here = [error(fault.text, fault.place) for fault in check_files(plan.config)]
    yield from here
    known = plan.with_faults(found.place for found in here)
    training = yield from _check_part(known, "train", files)
    measured = yield from _check_part(known, "val", files)
    yield from _check_number(plan.config, [*training, *measured])
    if not training:
        return
    first = training[0]
    for other in (*training[1:], *measured):
        yield from at(f"{other.path}.metainfo", differ(first, other))
    names = teacher_names(plan.config, first, lambda source: files.read(source)[0])
    yield from at(f"{first.path}.metainfo", names)


def require_readable(config: Mapping[str, object], part: Part) -> None:
    """Check the annotations and class names of one dataloader; images are not opened.

    Raises:
        ConfigError: lists the errors.
    """
    errors = [found.text for found in _check_readable(config, part) if found.severity == "error"]
    if errors:
        raise ConfigError(*errors)


def _check_readable(config: Mapping[str, object], part: Part) -> Iterator[Finding]:
    plan = Plan(config, Path())
    sources = yield from _check_part(plan, part, _Files(), images=False)
    yield from _check_number(config, sources)


def _check_part(
    plan: Plan, part: Part, files: _Files, *, images: bool = True
) -> Generator[Finding, None, list[Source]]:
    """Yield the findings of one dataloader; return its sources whose names are right."""
    right: list[Source] = []
    for found in dataset_sources(plan.config, part):
        if isinstance(found, Finding):
            yield found
            continue
        for source in _judges(plan.config, part, found):
            table, findings = files.read(source)
            yield from at(f"{source.path}.ann_file", _reported(findings.all(), source))
            if table is None or findings.count("error"):
                continue
            names = list(compare(source, table))
            yield from at(f"{source.path}.metainfo", names)
            if any(finding.severity == "error" for finding in names):
                continue
            right.append(source)
            opened = images and not plan.has_fault(f"{source.path}.data_prefix")
            yield from at(f"{source.path}.ann_file", _check_content(source, table, opened))
    return right


def _judges(config: Mapping[str, object], part: Part, dataset: Source) -> list[Source]:
    """Return a dataset and the evaluators' files that are not its own."""
    others = [] if part == "train" else list(evaluator_sources(config, part, dataset))
    return [dataset, *(s for s in others if not s.annotations.samefile(dataset.annotations))]


def _tabulate(source: Source, findings: Findings) -> Table:
    if source.form == "coco":
        document = load_document(source.annotations, polygons=False)
        as_read(source.settings, document)
        return tabulate(document, findings, source.place)
    names = read_names(source.annotations, findings)
    home = source.images or source.annotations.parents[2]
    return tabulate_voc([(home, name) for name in names], sorted, findings, source.place)


def _check_content(source: Source, table: Table, images: bool) -> Iterator[Finding]:
    """Yield what is wrong with the boxes and images that mmdet uses."""
    findings = Findings()
    used = table.of_classes(source.classes)
    check_boxes(used, findings, source.place)
    if images and source.images is not None:
        root = source.images if source.form == "coco" else source.images.absolute().parent
        check_images(used, root, findings, source.place, sample=SAMPLE)
    yield from _reported(findings.all(), source)
    if not findings.count("error") and filters_as_usual(source.settings):
        yield from _check_left(source, used)


def _check_left(source: Source, table: Table) -> Iterator[Finding]:
    """Yield an error if the filters of a dataset leave no image, or no box."""
    masks = kept_images(table, source.classes, source.settings)
    kept = np.logical_and.reduce([np.ones(len(table.files), bool), *masks.values()])
    if not kept.any():
        each = ", ".join(f"{key} leaves {mask.sum()}" for key, mask in masks.items())
        yield error(
            f"{source.place}: no image is left of the {len(table.files)} in {_file(source)}: "
            f"{each}; change these keys, or name another file"
        )
        return
    boxes = usable_boxes(table, source.form, source.classes, source.settings)
    if source.trains and not (boxes & kept[table.box_image]).any():
        yield error(
            f"{source.place}: mmdet trains on none of the {len(table.boxes)} boxes of "
            f"{_file(source)}: all are crowd, ignored, outside of their image, smaller than a "
            "pixel, without area, or in images that are filtered out"
        )


def _reported(found: Sequence[DataFinding], source: Source) -> Iterator[Finding]:
    """Yield the findings of the data check, as errors and warnings about a place in the config."""
    for one in found:
        if one.rule.severity == "info":
            continue
        more = f" and {one.count - len(one.examples)} more" if one.count > len(one.examples) else ""
        if one.rule.code == "annotation-file":
            # The message has the file and the fix.
            yield error(f"{source.place}: {'; '.join(one.examples)}{more}")
            continue
        text = (
            f"{source.place}, {_file(source)}: {one.rule.what}: {one.count} "
            f"({'; '.join(one.examples)}{more}); fix: {one.rule.fix}"
        )
        yield error(text) if one.rule.severity == "error" else warning(text)


def _check_number(config: Mapping[str, object], sources: Sequence[Source]) -> Iterator[Finding]:
    """Yield an error where the model has another number of classes than a dataset."""
    model = config.get("model")
    student = "model.student" if is_distiller(model) else "model"
    for source in sources:
        text = number_fault(declared_classes(model), source.place, len(source.classes))
        if text is not None:
            yield error(text, f"{student}.bbox_head.num_classes")


def _file(source: Source) -> str:
    return str(shown_path(source.annotations))
