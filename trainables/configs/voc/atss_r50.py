# ATSS ResNet-50 on PASCAL VOC, 12 epochs. The plain student.
_base_ = ["mmdet::atss/atss_r50_fpn_1x_coco.py", "_base_/voc0712.py"]

model = dict(bbox_head=dict(num_classes=20))
train_dataloader = dict(
    batch_size=8, num_workers=4, dataset=dict(_delete_=True, **_base_.voc_train)
)
val_dataloader = dict(dataset=dict(_delete_=True, **_base_.voc_val))
test_dataloader = val_dataloader
val_evaluator = _base_.voc_evaluator
test_evaluator = val_evaluator

# The learning rate is that of 16 images an iteration; it follows the images there are.
auto_scale_lr = dict(enable=True)
