"""One distribution of every kind and form."""

from tid_tune.space import Choice, Fixed, Integer, LogUniform, Normal, Ordinal, Uniform

EXAMPLES = [
    Uniform(low=-1, high=3),
    Uniform(low=0.1, high=0.7, step=0.1),
    LogUniform(low=1e-4, high=10),
    LogUniform(low=0.25, high=2, step=0.25),
    Integer(low=-2, high=7, step=3),
    Integer(low=1, high=1000, log=True),
    Choice(values=("a", None, True, 3, [1, 2], {"k": 1})),
    Ordinal(values=(8, 16, 32)),
    Normal(mean=1, std=0.5, low=0, high=2.5),
    Fixed(value="x"),
]
