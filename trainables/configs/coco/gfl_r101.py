# GFL ResNet-101, multi-scale, 2x: 44.7 box AP by mmdet's metafile. The teacher of gfl_r50_tid.py.
_base_ = "mmdet::gfl/gfl_r101_fpn_ms-2x_coco.py"
