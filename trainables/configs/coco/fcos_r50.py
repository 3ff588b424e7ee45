# FCOS ResNet-50 (caffe style), 1x: 36.6 box AP by mmdet's metafile. The plain student. Its images
# are normalized as its teacher's are; mmdet's newer FCOS variants normalize otherwise.
_base_ = "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py"

# For one GPU, where mmdet has 8 with 2 images each. The learning rate is that of 16 images an
# iteration; it follows the images there are.
train_dataloader = dict(batch_size=8, num_workers=4)
auto_scale_lr = dict(enable=True)
