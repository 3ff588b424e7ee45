_base_ = ["_base_/digits.py", "_base_/gfl.py", "_base_/schedule.py"]

# Half of the images: a student has little data of its own, which leaves the teacher much to give.
train_dataloader = dict(dataset=dict(indices=300))
