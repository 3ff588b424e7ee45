"""The terms on features written down a second time, in plain Python over points and channels.

Maps are nested lists [image][channel][y][x] per level, numbers are Python floats.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor

Maps = list[list[list[list[float]]]]
Point = tuple[int, int, int]
"""Image, y, x."""


class Pyramid:
    """The points of every level that are not padding, and the objects."""

    def __init__(self, setting: Any) -> None:
        self.strides: list[int] = list(setting.context.strides)
        self.sizes: list[tuple[int, int]] = setting.context.sizes
        self.padded: list[tuple[int, int]] = setting.padded
        self.objects: list[list[list[float]]] = setting.objects

    def points(self, level: int) -> Iterator[Point]:
        height, width = self.sizes[level]
        for image, (padded_height, padded_width) in enumerate(self.padded):
            for y in range(height):
                for x in range(width):
                    inside = y * self.strides[level] < padded_height
                    if inside and x * self.strides[level] < padded_width:
                        yield image, y, x

    def touches(self, level: int, point: Point, box: Sequence[float]) -> bool:
        _, y, x = point
        stride = self.strides[level]
        return (
            x * stride < box[2]
            and (x + 1) * stride > box[0]
            and y * stride < box[3]
            and (y + 1) * stride > box[1]
        )

    def levels(self) -> range:
        return range(len(self.strides))


def lists(maps: Sequence[Tensor]) -> list[Maps]:
    return [item.detach().tolist() for item in maps]


def at(maps: Maps, point: Point) -> list[float]:
    image, y, x = point
    return [channel[y][x] for channel in maps[image]]


def mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0


def weighted_over_levels(
    pyramid: Pyramid, value: Callable[[int, Point], float], weight: Callable[[int, Point], float]
) -> float:
    means = []
    for level in pyramid.levels():
        points = list(pyramid.points(level))
        total = sum(weight(level, point) for point in points)
        if total > 0:
            means.append(sum(weight(level, p) * value(level, p) for p in points) / total)
    return mean(means)


def standardized(maps: list[Maps], pyramid: Pyramid) -> list[Maps]:
    """Zero mean and unit variance of every channel over the points that are not padding."""
    found = []
    for level, images in enumerate(maps):
        points = list(pyramid.points(level))
        columns = list(zip(*(at(images, point) for point in points), strict=True))
        means = [statistics.fmean(column) for column in columns]
        stds = [math.sqrt(statistics.pvariance(column) + 1e-6) for column in columns]
        found.append(
            [
                [
                    [[(v - m) / s for v in row] for row in channel]
                    for channel, m, s in zip(image, means, stds, strict=True)
                ]
                for image in images
            ]
        )
    return found


def convolved(maps: list[Maps], convs: Any) -> list[Maps]:
    """1x1 convolutions, one a level."""
    found = []
    for images, conv in zip(maps, convs, strict=True):
        weight, bias = conv.weight[:, :, 0, 0].tolist(), conv.bias.tolist()
        found.append(
            [
                [
                    [
                        [
                            b + sum(w * c[y][x] for w, c in zip(row, image, strict=True))
                            for x in range(len(image[0][0]))
                        ]
                        for y in range(len(image[0]))
                    ]
                    for row, b in zip(weight, bias, strict=True)
                ]
                for image in images
            ]
        )
    return found


def squared(ours: list[Maps], theirs: list[Maps]) -> Callable[[int, Point], float]:
    def value(level: int, point: Point) -> float:
        pairs = zip(at(ours[level], point), at(theirs[level], point), strict=True)
        return mean((s - t) ** 2 for s, t in pairs)

    return value


def mimic(ours: list[Maps], theirs: list[Maps], pyramid: Pyramid) -> dict[str, float]:
    return {"feature": weighted_over_levels(pyramid, squared(ours, theirs), lambda *_: 1.0)}


def pkd(ours: list[Maps], theirs: list[Maps], pyramid: Pyramid) -> dict[str, float]:
    """1 - Pearson's r of each channel."""
    levels = []
    for level in pyramid.levels():
        points = list(pyramid.points(level))
        columns = [
            list(zip(*(at(maps[level], point) for point in points), strict=True))
            for maps in (ours, theirs)
        ]
        levels.append(mean(1 - statistics.correlation(s, t) for s, t in zip(*columns, strict=True)))
    return {"correlation": mean(levels)}


def defeat(
    ours: list[Maps], theirs: list[Maps], pyramid: Pyramid, level_scale: float
) -> dict[str, float]:
    def level_of(box: Sequence[float]) -> int:
        size = math.sqrt((box[2] - box[0]) * (box[3] - box[1]))
        fitting = [i for i, stride in enumerate(pyramid.strides) if stride * level_scale <= size]
        return max(fitting, default=0)

    def inside(level: int, point: Point) -> float:
        boxes = [box for box in pyramid.objects[point[0]] if level_of(box) == level]
        return float(any(pyramid.touches(level, point, box) for box in boxes))

    value = squared(ours, theirs)
    return {
        "foreground": weighted_over_levels(pyramid, value, inside),
        "background": weighted_over_levels(pyramid, value, lambda *args: 1 - inside(*args)),
    }


def softmax(energies: list[float]) -> list[float]:
    weights = [math.exp(value - max(energies)) for value in energies]
    return [value / sum(weights) for value in weights]


def fgd(
    ours: list[Maps],
    theirs: list[Maps],
    pyramid: Pyramid,
    tau: float,
    blocks: list[dict[str, Any]],
) -> dict[str, float]:
    attention = {
        id(maps): [_attentions(maps[level], level, pyramid, tau) for level in pyramid.levels()]
        for maps in (ours, theirs)
    }

    def focal(level: int, point: Point) -> float:
        spatial, channel = attention[id(theirs)][level]
        triples = zip(
            channel[point[0]], at(ours[level], point), at(theirs[level], point), strict=True
        )
        return spatial[point] * mean(a * (s - t) ** 2 for a, s, t in triples)

    def area(level: int, box: Sequence[float]) -> int:
        height, width = pyramid.sizes[level]
        cells = [(0, y, x) for y in range(height) for x in range(width)]
        return sum(pyramid.touches(level, cell, box) for cell in cells)

    def inside(level: int, point: Point) -> float:
        boxes = [box for box in pyramid.objects[point[0]] if pyramid.touches(level, point, box)]
        return 1 / min(area(level, box) for box in boxes) if boxes else 0.0

    def outside(level: int, point: Point) -> float:
        if inside(level, point) > 0:
            return 0.0
        return 1 / sum(inside(level, p) == 0 for p in pyramid.points(level) if p[0] == point[0])

    def spatial_gap(level: int, point: Point) -> float:
        return abs(attention[id(ours)][level][0][point] - attention[id(theirs)][level][0][point])

    channel_gap = mean(
        mean(
            abs(s - t)
            for image in range(len(pyramid.padded))
            for s, t in zip(
                attention[id(ours)][level][1][image],
                attention[id(theirs)][level][1][image],
                strict=True,
            )
        )
        for level in pyramid.levels()
    )
    related = [
        [_related(maps[level], level, pyramid, blocks[level]) for level in pyramid.levels()]
        for maps in (ours, theirs)
    ]
    everywhere = lambda *_: 1.0  # noqa: E731
    return {
        "foreground": weighted_over_levels(pyramid, focal, inside),
        "background": weighted_over_levels(pyramid, focal, outside),
        "attention": weighted_over_levels(pyramid, spatial_gap, everywhere) + channel_gap,
        "global": weighted_over_levels(pyramid, squared(*related), everywhere),
    }


def _attentions(
    maps: Maps, level: int, pyramid: Pyramid, tau: float
) -> tuple[dict[Point, float], list[list[float]]]:
    spatial: dict[Point, float] = {}
    channel = []
    for image in range(len(maps)):
        points = [point for point in pyramid.points(level) if point[0] == image]
        values = {point: [abs(value) for value in at(maps, point)] for point in points}
        weights = softmax([mean(values[point]) / tau for point in points])
        spatial |= {p: w * len(points) for p, w in zip(points, weights, strict=True)}
        columns = zip(*values.values(), strict=True)
        energies = [mean(column) / tau for column in columns]
        channel.append([weight * len(energies) for weight in softmax(energies)])
    return spatial, channel


def _related(maps: Maps, level: int, pyramid: Pyramid, block: dict[str, Any]) -> Maps:
    """The global context block, from its weights as lists."""
    found = []
    for image, channels in enumerate(maps):
        points = [point for point in pyramid.points(level) if point[0] == image]
        key = [
            block["key_bias"] + sum(w * v for w, v in zip(block["key"], at(maps, p), strict=True))
            for p in points
        ]
        pooled = [0.0] * len(channels)
        for weight, point in zip(softmax(key), points, strict=True):
            pooled = [s + weight * v for s, v in zip(pooled, at(maps, point), strict=True)]
        hidden = _linear(block["inner"], block["inner_bias"], pooled)
        center, spread = mean(hidden), statistics.pvariance(hidden)
        hidden = [max(0.0, (value - center) / math.sqrt(spread + 1e-5)) for value in hidden]
        added = _linear(block["outer"], block["outer_bias"], hidden)
        found.append(
            [
                [[value + extra for value in row] for row in channel]
                for channel, extra in zip(channels, added, strict=True)
            ]
        )
    return found


def _linear(weight: list[list[float]], bias: list[float], vector: list[float]) -> list[float]:
    return [
        b + sum(w * v for w, v in zip(row, vector, strict=True))
        for row, b in zip(weight, bias, strict=True)
    ]
