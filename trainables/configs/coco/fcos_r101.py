# FCOS ResNet-101 (caffe style), multi-scale, 2x: 40.8 box AP by mmdet's metafile. The teacher of
# fcos_r50_tid.py.
_base_ = "mmdet::fcos/fcos_r101-caffe_fpn_gn-head_ms-640-800-2x_coco.py"
