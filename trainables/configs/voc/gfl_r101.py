# GFL ResNet-101 on PASCAL VOC, 12 epochs. The teacher of gfl_r50_tid.py.
_base_ = "gfl_r50.py"

model = dict(
    backbone=dict(
        depth=101, init_cfg=dict(type="Pretrained", checkpoint="torchvision://resnet101")
    ),
)
