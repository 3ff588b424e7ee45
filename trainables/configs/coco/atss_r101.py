# ATSS ResNet-101, 1x: 41.5 box AP by mmdet's metafile. The teacher of atss_r50_tid.py.
_base_ = "mmdet::atss/atss_r101_fpn_1x_coco.py"
