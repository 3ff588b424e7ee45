"""Datasets in COCO and VOC form: read, check, split and convert them, and write the demo data.

`tid-tune data ...` is the front: `check.check`, `divide.split` and `divide.subset`,
`digits.write_digits`. Others use `coco.load_document`, `coco.class_names` and `files`. A `Table`
holds one split in columns, whatever its form; `rules` has everything that can be wrong with it.
"""
