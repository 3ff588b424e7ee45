"""Distillation: a student learns from a frozen teacher, by one of several methods.

- `distiller.Distiller` is the mmdet detector that a config names; `teacher` builds its teacher.
- `method.Method` is what a method implements, `context.Context` what it is given at every step,
  `features` and `predictions` what methods share.
- `settings.Settings` holds a method's constants, `registry` finds methods by name. Both work
  without torch, so that a search space is checked in milliseconds.
- `methods/NAME/` holds everything of one method: settings, parts and loss.
- `model_config` tells a Distiller's config from a plain detector's, also without torch.

A package of yours adds a method by `registry.register_method` and an entry point in the group
`tid_tune.methods`; `tid_tune.testing.methods` has the tests it must pass. Nothing outside
`methods/NAME/` depends on that method.
"""
