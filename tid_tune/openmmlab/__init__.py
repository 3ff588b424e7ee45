"""The only door to mmdet, mmengine and mmcv: no other package imports them (a test holds it).

What they offer is grouped by concern, so that a reader imports no more than is needed:

- `configs`: config files, their type, and changes by dotted path. Imports neither torch nor mmdet.
- `setup`: `prepare()`, which makes mmdet ready in this process, and `quiet()`.
- `registries`, `models`, `coco_metric`: mmdet's parts. Importing one of them prepares mmdet, which
  takes 6 to 12 s: import them inside the function that needs them if a command may do without.
- `runner`: the pieces of mmengine's Runner. `named_objects`: what mmengine keeps by name.
- `checkpoints`: checkpoint files, read without running their code.
- `ext_standin`: mmcv's compiled ops in plain torch.
"""
