"""The exceptions a user meets. Their message is the whole output: what, where, the mend."""


class TidTuneError(Exception):
    """A failure that is told to the user in one message, without a traceback.

    `exit_code` is the process's exit code when the error reaches the command line:
    1 for work that failed, 2 for a wrong command or wrong input.
    """

    exit_code = 1


class UsageError(TidTuneError):
    """The command, or an input it names, is wrong; nothing was started."""

    exit_code = 2


class SpecError(UsageError):
    """A search-space file is wrong: file, line, path, what was received, the mend."""


class ConfigError(UsageError):
    """An mmdet config cannot be used: a missing file or key, or models that do not fit together."""


class DataError(UsageError):
    """A dataset is missing, unreadable, or contradicts itself."""


class TrialError(TidTuneError):
    """A trial failed. `kind` is one of `user`, `nan`, `oom`, `lost`, `crash`.

    Only `lost` (infrastructure) is worth retrying.
    """

    def __init__(self, message: str, kind: str = "crash") -> None:
        super().__init__(message)
        self.kind = kind
