"""What can be wrong with the image files of a split, and images that two splits share."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

from tid_tune.data.decoding import LARGE, decode
from tid_tune.data.findings import Findings
from tid_tune.data.headers import Header, read_header
from tid_tune.data.table import Table
from tid_tune.errors import DataError

_BATCH = 256
_ENDINGS = (".jpg", ".JPG", ".jpeg", ".JPEG", ".png", ".PNG", ".bmp", ".tif")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One readable image file of a split; `pixels` is a hash of what it decodes to, if known."""

    name: str
    path: str
    header: Header
    pixels: bytes | None


Size = tuple[int, int]
Job = tuple[str, Size]
Result = tuple[ImageFile | None, list[tuple[str, str]]]
"""The file if it can be read, and its faults: the code of a rule, and the example."""


def check_images(
    table: Table,
    root: Path,
    findings: Findings,
    split: str,
    *,
    deep: bool = False,
    workers: int = 4,
    sample: int | None = None,
) -> list[ImageFile]:
    """Compare the image files with the table and return those that can be read.

    Args:
        table: what the annotations say.
        root: the folder that the file names are relative to.
        findings: where faults go.
        split: the name of the split.
        deep: decode every image, instead of reading its first and last bytes.
        workers: threads; more than there are cores help where the disk is slow.
        sample: look at about so many images only, evenly spaced.
    """
    sizes: list[Size] = [(width, height) for width, height in table.sizes.tolist()]
    jobs: list[Job] = list(zip(table.files, sizes, strict=True))
    jobs = jobs[:: max(1, len(jobs) // sample)] if sample else jobs
    batches = [jobs[start : start + _BATCH] for start in range(0, len(jobs), _BATCH)]
    found: list[ImageFile] = []
    with ThreadPoolExecutor(workers) as pool:
        for results in pool.map(partial(_examine_batch, root, deep), batches):
            for file, faults in results:
                for code, example in faults:
                    findings.add(code, split, example)
                if file is not None:
                    found.append(file)
    if deep:
        _check_repeats(found, findings, split)
    return found


def _examine_batch(root: Path, deep: bool, batch: list[Job]) -> list[Result]:
    return [_examine(root, name, size, deep) for name, size in batch]


def _examine(root: Path, name: str, size: Size, deep: bool) -> Result:
    path = os.path.join(root, name)
    try:
        header = read_header(path)
        decoded = deep and header.complete and header.width * header.height <= LARGE
        pixels = _pixels(path) if decoded else None
    except FileNotFoundError:
        return None, [("missing-image", path + _beside(path))]
    except DataError as error:
        return None, [("unreadable-image", str(error))]
    faults: list[tuple[str, str]] = []
    if not header.complete or (decoded and pixels is None):
        faults.append(("truncated-image", path))
    width, height = header.loaded_size
    turned = f"EXIF orientation {header.orientation}" if header.orientation > 1 else ""
    if (width, height) != size:
        example = f"{name}: annotated {size[0]}x{size[1]}, loads as {width}x{height}"
        faults.append(("size-differs", f"{example} ({turned})" if turned else example))
    elif turned and (header.orientation < 5 or width == height):
        # Else the annotated size, which is that of the turned image, says that the boxes are, too.
        faults.append(("turned-image", f"{name}: {turned}"))
    return ImageFile(name, path, header, pixels), faults


def _beside(path: str) -> str:
    """Return a hint at a file of the same name with another ending, if there is one."""
    stem, ending = os.path.splitext(path)
    for other in _ENDINGS:
        if other != ending and os.path.exists(stem + other):
            return f" (there is {os.path.basename(stem)}{other})"
    return ""


def _pixels(path: str) -> bytes | None:
    """Return a hash of what mmdet loads, None if the image does not decode to its end."""
    pixels = decode(path)
    if pixels is None:
        return None
    shape = repr(pixels.shape).encode()
    return hashlib.blake2b(shape + pixels.tobytes(), digest_size=16).digest()


def _check_repeats(files: Sequence[ImageFile], findings: Findings, split: str) -> None:
    first: dict[bytes, str] = {}
    for file in files:
        if file.pixels is not None and first.setdefault(file.pixels, file.name) != file.name:
            findings.add("repeated-pixels", split, f"{file.name} = {first[file.pixels]}")


def check_leaks(splits: dict[str, Sequence[ImageFile]], findings: Findings) -> None:
    """Report images that two splits share: one file, or files of equal content.

    Content is compared by decoded pixels where both files have them, else byte by byte (only of
    files that agree in length and size, so that little is read).
    """
    for (first, files), (second, others) in combinations(splits.items(), 2):
        pair = f"{first} and {second}"
        identities = {file.header.identity: file for file in files}
        rest = []
        for other in others:
            twin = identities.get(other.header.identity)
            if twin is not None:
                findings.add("leaked-file", pair, f"{twin.path} = {other.path}")
            else:
                rest.append(other)
        for one, other in _equal_content(files, rest):
            findings.add("leaked-pixels", pair, f"{one.path} = {other.path}")


def _equal_content(
    files: Iterable[ImageFile], others: Iterable[ImageFile]
) -> Iterator[tuple[ImageFile, ImageFile]]:
    by_pixels: dict[bytes, ImageFile] = {}
    by_shape: dict[tuple[int, ...], list[ImageFile]] = defaultdict(list)
    for file in files:
        if file.pixels is not None:
            by_pixels[file.pixels] = file
        by_shape[_shape(file)].append(file)
    digests: dict[str, bytes] = {}
    for other in others:
        if other.pixels is not None and other.pixels in by_pixels:
            yield by_pixels[other.pixels], other
            continue
        for file in by_shape.get(_shape(other), ()):
            if file.pixels is not None and other.pixels is not None:
                continue
            if _digest(file.path, digests) == _digest(other.path, digests) != b"":
                yield file, other
                break


def _shape(file: ImageFile) -> tuple[int, ...]:
    return file.header.bytes, file.header.width, file.header.height


def _digest(path: str, known: dict[str, bytes]) -> bytes:
    """Return a hash of a file's bytes, empty if it cannot be read any more."""
    if path not in known:
        try:
            with open(path, "rb") as file:
                known[path] = hashlib.file_digest(file, "blake2b").digest()
        except OSError:
            known[path] = b""
    return known[path]
