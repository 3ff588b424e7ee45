"""What an entry holds, and what it is found by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.tiny_distiller import batch
from torch import nn

from tid_tune.distill.cache.content import CONTENT, entry_key, sample_digest, teacher_digest
from tid_tune.distill.cache.entries import Entry, batch_evidence, batch_maps
from tid_tune.distill.evidence import Evidence

POINTS = 20


def work(images: int = 2) -> Any:
    """What is read of a batch: the teacher's maps, and its evidence."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(images, 3, size, size, generator=generator) for size in (4, 2)]
    iou, probability = torch.rand(2, images, POINTS, generator=generator)
    matched = torch.randint(5, (images, POINTS), generator=generator)
    evidence = Evidence(iou, matched, probability, lambda: iou > 0.5)
    return SimpleNamespace(teacher=SimpleNamespace(features=maps), evidence=evidence)


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_a_batch_comes_back_in_the_stored_precision(precision: str) -> None:
    made = work()
    stored = [Entry.of(made, image, precision).encode() for image in range(2)]
    entries = [entry for entry in map(Entry.decode, stored) if entry is not None]
    found = batch_maps(entries, torch.device("cpu"))
    kind = getattr(torch, precision)
    for ours, theirs in zip(found, made.teacher.features, strict=True):
        assert ours.dtype == torch.float32
        assert torch.equal(ours, theirs.to(kind).float())
    shown = batch_evidence(entries, torch.device("cpu"))
    for name in ("iou", "matched", "probability", "highest"):
        assert torch.equal(getattr(shown, name), getattr(made.evidence, name))
    assert shown.matched.dtype == torch.int64


@pytest.mark.parametrize("place", [0, 5, 200, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    stored = bytearray(Entry.of(work(), 0, "float16").encode())
    stored[place] ^= 1
    assert Entry.decode(bytes(stored)) is None
    assert Entry.decode(bytes(stored[:3])) is None


def item(**changes: Any) -> dict[str, Any]:
    images, samples = batch()
    sample = samples[0]
    for name, value in changes.items():
        if name != "inputs":
            setattr(sample.gt_instances, name, value)
    return {"inputs": changes.get("inputs", images[0]), "data_samples": sample}


def test_the_digest_of_a_sample_changes_with_all_that_the_teacher_is_shown() -> None:
    first = item()
    images, objects = first["inputs"], first["data_samples"].gt_instances
    pixel, moved = images.clone(), objects.bboxes.clone()
    pixel[0, 0, 0] += 1
    moved[0, 0] += 1
    others = [
        item(inputs=pixel),
        item(inputs=images.reshape(3, 32, 128)),
        item(inputs=images.flip(2)),
        item(bboxes=moved),
        item(labels=objects.labels + 1),
    ]
    digests = {sample_digest(one, b"preparation") for one in [first, *others]}
    assert len(digests) == 6
    assert sample_digest(item(), b"preparation") in digests
    assert sample_digest(item(), b"another") not in digests


def test_the_key_changes_with_the_view_and_is_unknown_without_a_digest() -> None:
    meta: dict[str, Any] = {
        "img_id": 3,
        "img_shape": (50, 40),
        "pad_shape": (64, 64),
        "batch_input_shape": (64, 64),
        "scale_factor": (0.5, 0.5),
        "flip": False,
        CONTENT: "digest",
    }
    changes: list[dict[str, Any]] = [
        {"img_id": 4},
        {"batch_input_shape": (64, 96)},
        {"pad_shape": (64, 96)},
        {"scale_factor": (0.5, 0.6)},
        {"flip": True, "flip_direction": "horizontal"},
        {CONTENT: "other"},
    ]
    keys = {entry_key(meta | change) for change in [{}, *changes]}  # type: ignore[arg-type]  # a plain dict
    assert len(keys) == 7
    as_arrays = meta | {"scale_factor": np.array([0.5, 0.5]), "img_shape": [50, 40]}
    assert entry_key(as_arrays) in keys  # type: ignore[arg-type]  # a plain dict
    assert entry_key({"batch_input_shape": (64, 64)}) is None  # type: ignore[typeddict-unknown-key]


def test_the_digest_of_a_teacher_changes_with_weights_config_and_modes() -> None:
    torch.manual_seed(0)
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    digests = {
        teacher_digest(one, {"type": "A"}, device="cpu"),
        teacher_digest(other, {"type": "A"}, device="cpu"),
        teacher_digest(one, {"type": "B"}, device="cpu"),
        teacher_digest(one, {"type": "A"}, device="cuda"),
        teacher_digest(one.bfloat16(), {"type": "A"}, device="cpu"),
    }
    assert len(digests) == 5
