# ATSS ResNet-101 on PASCAL VOC, 12 epochs. The teacher of atss_r50_tid.py.
_base_ = "atss_r50.py"

model = dict(
    backbone=dict(
        depth=101, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101")
    ),
)
