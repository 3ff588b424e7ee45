"""What one trial does: build, train an interval, evaluate, save, restore. Plain Python, no Ray.

`trial.Trial` is the front, `training.train` trains one config to its end (a teacher). Importing
either loads mmdet (6 to 12 s).
"""
