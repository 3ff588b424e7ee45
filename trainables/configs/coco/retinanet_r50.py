# RetinaNet ResNet-50, 1x: 36.5 box AP by mmdet's metafile. The plain student.
_base_ = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py"

# For one GPU, where mmdet has 8 with 2 images each. The learning rate is that of 16 images an
# iteration; it follows the images there are.
train_dataloader = dict(batch_size=8, num_workers=4)
auto_scale_lr = dict(enable=True)
