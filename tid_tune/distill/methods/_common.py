"""What several of the methods need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from tid_tune.detectors.heads import HeadAdapter
from tid_tune.distill.context import Context
from tid_tune.distill.method import ChannelAdaptation, Method, MethodOutput
from tid_tune.distill.methods.tid.decoupling import squared_difference
from tid_tune.errors import ConfigError


def adaptation(student: HeadAdapter, teacher: HeadAdapter, adapt: str) -> ChannelAdaptation:
    """From the student's pyramid channels to the teacher's; `adapt` is `auto` or `conv`."""
    return ChannelAdaptation(
        student.in_channels, teacher.in_channels, len(student.strides), always=adapt == "conv"
    )


def feature_differences(
    context: Context, adapted: Sequence[Tensor], normalize: str
) -> list[Tensor]:
    """Per level (N, H, W) float32: the squared difference to the teacher, mean over channels."""
    return [
        squared_difference(ours, theirs, valid, normalize)
        for ours, theirs, valid in zip(
            adapted, context.teacher.features, context.valid, strict=True
        )
    ]


def weighted(
    method: Method, context: Context, terms: Mapping[str, tuple[float, Tensor]]
) -> MethodOutput:
    """Loss terms and their raw values to log, from each term's own weight and scalar."""
    strength = method.weight(context)
    return MethodOutput(
        {
            f"loss_distill_{name}": strength * weight * term
            for name, (weight, term) in terms.items()
        },
        {f"distill/{name}_raw": term.detach() for name, (_, term) in terms.items()},
    )


def require_sigmoid(method: str, **heads: HeadAdapter) -> None:
    """Raise ConfigError unless the classes of the heads (by role) are independent."""
    for role, head in heads.items():
        if not head.uses_sigmoid:
            raise ConfigError(
                f"the distillation method {method} needs sigmoid class scores; the {role}'s "
                f"{head.name} has softmax (set use_sigmoid in its loss_cls)"
            )
