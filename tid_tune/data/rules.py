"""Everything `tid-tune data check` looks for: how serious it is, and how to fix it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Rule:
    """One kind of defect. An error makes numbers wrong or training fail; a warning may be meant."""

    code: str
    severity: Severity
    what: str
    fix: str


_ALL = (
    Rule(
        "annotation-file",
        "error",
        "annotation files that cannot be used",
        "export or download the file again",
    ),
    Rule(
        "bad-record",
        "error",
        "records without a needed field or with a value of the wrong kind",
        "correct or remove these records; images need id, file_name, width, height, annotations "
        "id, image_id, category_id, bbox [x, y, width, height], area",
    ),
    Rule(
        "duplicate-category-id",
        "error",
        "category ids used more than once",
        "give every category its own id",
    ),
    Rule(
        "duplicate-class-name",
        "error",
        "class names used more than once",
        "rename or merge the categories: mmdet finds classes by name",
    ),
    Rule(
        "duplicate-image-id",
        "error",
        "image ids used more than once",
        "number the images anew: readers keep only the last image of an id",
    ),
    Rule(
        "duplicate-annotation-id",
        "error",
        "annotation ids used more than once",
        "number the annotations anew: readers keep only the last annotation of an id",
    ),
    Rule(
        "duplicate-file-name",
        "error",
        "image files listed more than once",
        "merge the entries: as they are, each one lacks the other's boxes",
    ),
    Rule(
        "mixed-ids",
        "error",
        "ids that are partly numbers and partly texts",
        "use one kind: pycocotools sorts the ids, and stops where they cannot be compared",
    ),
    Rule(
        "odd-flag",
        "error",
        "annotations whose iscrowd or ignore is neither 0 nor 1",
        "write 0 or 1: readers take any other value but an empty one for 1, also the text '0', and "
        "pycocotools stops at null",
    ),
    Rule(
        "unknown-image",
        "error",
        "boxes of image ids that are not listed",
        "list the images or remove these annotations",
    ),
    Rule(
        "unknown-category",
        "error",
        "boxes of category ids that are not listed",
        "list the categories or remove these annotations; mmdet would skip them silently",
    ),
    Rule(
        "unknown-class",
        "error",
        "objects whose class is not among the classes",
        "correct the spelling, or name your own classes with --classes; mmdet would skip them "
        "silently",
    ),
    Rule(
        "classes-differ",
        "error",
        "splits whose categories differ in name or order",
        "use the same list of categories in every file: label numbers follow its order",
    ),
    Rule(
        "image-list",
        "error",
        "lines of image lists that are blank, repeated or hold more than a name, and empty lists",
        "write one image name a line, without its ending and without a class's 1, 0 or -1",
    ),
    Rule(
        "missing-annotation",
        "error",
        "listed images whose xml file is missing",
        "add the xml files or take the names off the list",
    ),
    Rule(
        "missing-image",
        "error",
        "image files that are missing",
        "complete the download, correct file_name, or name the folder with --images; of a VOC "
        "image, mmdet reads JPEGImages/NAME.jpg alone",
    ),
    Rule(
        "unreadable-image",
        "error",
        "image files that are empty or not an image",
        "download these files again, or write them as 8-bit JPEG or PNG",
    ),
    Rule(
        "truncated-image",
        "error",
        "image files that end early",
        "download these files again: mmdet gets no image, or the missing part in gray",
    ),
    Rule(
        "size-differs",
        "error",
        "images whose size is not the one annotated",
        "annotate these files at their own size, or find the files that were annotated; an EXIF "
        "orientation counts, because mmdet turns the image when it loads it",
    ),
    Rule(
        "negative-box",
        "error",
        "boxes with a negative width or height",
        "write boxes as x, y, width, height with the corner of the smaller x and y",
    ),
    Rule(
        "outside-box",
        "error",
        "boxes wholly outside their image",
        "check that boxes are in pixels of this image, as x, y, width, height",
    ),
    Rule(
        "leaked-file",
        "error",
        "image files used by two splits",
        "take them out of one split: results on images seen in training mean nothing",
    ),
    Rule(
        "leaked-pixels",
        "error",
        "different files with the same content in two splits",
        "take them out of one split: results on images seen in training mean nothing",
    ),
    Rule(
        "no-boxes",
        "error",
        "splits without a box that counts",
        "annotate images, or name the right file: there is nothing to learn or to find here",
    ),
    Rule(
        "overhanging-box",
        "warning",
        "boxes that reach more than a pixel over their image's border",
        "clip them; if they are many, the boxes may be x1, y1, x2, y2 instead of x, y, width, "
        "height",
    ),
    Rule(
        "tiny-box",
        "warning",
        "boxes narrower or lower than one pixel",
        "remove them: training skips them, evaluation counts them as missed; if they are many, "
        "the boxes may be fractions of the image instead of pixels",
    ),
    Rule(
        "no-area",
        "warning",
        "boxes whose area is given as zero or less",
        "set area to width x height: training skips boxes without area",
    ),
    Rule(
        "no-crowd-flag",
        "warning",
        "annotations without iscrowd",
        "add iscrowd: 0; pycocotools, and so mmdet's own evaluation, stops at an image without it",
    ),
    Rule(
        "ignored-box",
        "warning",
        "boxes with ignore that are not crowd",
        "set iscrowd: 1 too, or ignore: 0: mmdet does not train on these boxes, but pycocotools "
        "reads iscrowd alone and counts them as missed",
    ),
    Rule(
        "annotation-id-0",
        "warning",
        "annotations with the id 0",
        "number annotations from 1: pycocotools takes 0 for 'no match' and counts a right "
        "detection of this box as false",
    ),
    Rule(
        "duplicate-box",
        "warning",
        "boxes that repeat another of the same image and class",
        "remove the copies: evaluation counts each as missed",
    ),
    Rule(
        "turned-image",
        "warning",
        "images that an EXIF orientation turns or mirrors on loading",
        "check that the boxes fit the turned image, or remove the orientation tag",
    ),
    Rule(
        "repeated-pixels",
        "warning",
        "images with the same content as another of their split",
        "remove the copies",
    ),
    Rule(
        "unused-class",
        "warning",
        "classes without a box",
        "remove the class, or add images that show it; its AP is left out of the mean",
    ),
    Rule(
        "empty-image",
        "info",
        "images without boxes",
        "nothing to fix if they show none of the classes; mmdet can skip them in training "
        "(filter_cfg)",
    ),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _ALL}
