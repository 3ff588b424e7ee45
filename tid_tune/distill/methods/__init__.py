"""The methods, a package each: `settings` (without torch), their parts, and `loss`.

Importing such a package registers its settings; `tid_tune.distill.registry` does so for all of
them. A method may use `tid_tune.distill` and `tid_tune.detectors`, but not another method.
"""
