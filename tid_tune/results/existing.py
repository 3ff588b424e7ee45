"""What an export does with files that are there already."""

from __future__ import annotations

import enum

from tid_tune.errors import UsageError


class Existing(enum.Enum):
    """What to do with an earlier export of the same name."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"
    EXTEND = "extend"
    """Add the trials that are not in it."""

    @classmethod
    def of(cls, *, overwrite: bool, extend: bool) -> Existing:
        """Return what two options ask for.

        Raises:
            UsageError: both are given.
        """
        if overwrite and extend:
            raise UsageError("--overwrite and --extend exclude each other; give one of them")
        if overwrite:
            return cls.OVERWRITE
        return cls.EXTEND if extend else cls.REFUSE
