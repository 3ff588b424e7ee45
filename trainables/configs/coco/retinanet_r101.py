# RetinaNet ResNet-101, 2x: 38.9 box AP by mmdet's metafile. The teacher of retinanet_r50_tid.py.
_base_ = "mmdet::retinanet/retinanet_r101_fpn_2x_coco.py"
