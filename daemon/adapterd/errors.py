"""Every failure that a person may meet is one of these, and its text is a sentence about the value that was wrong.

`hint` says what to do about it; the CLI prints it as a second line and exits with `exit_code`.
"""

import errno


class AdapterdError(Exception):
    """Root of all errors of this product: `str(error)` is what is wrong, `hint` what to do, if there is more to say."""

    exit_code = 1
    transient = False
    """Whether the cause may go away by itself, so that trying again later makes sense."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def reason(exc: Exception) -> str:
    """Why something failed, for a sentence that names the file itself: the system's words come without the path."""
    return (exc.strerror if isinstance(exc, OSError) else None) or str(exc)


class ConfigError(AdapterdError):
    """The configuration is missing, unreadable or wrong."""

    exit_code = 3


class NotFoundError(AdapterdError):
    """A model, version, run or file that was named does not exist."""

    exit_code = 4


class RuntimeUnavailableError(AdapterdError):
    """The runtime (Ollama) does not answer, or answers with a failure of its own."""

    exit_code = 5
    transient = True


class RuntimeRefusedError(AdapterdError):
    """The runtime answered, and refused what was asked."""

    exit_code = 5


class RuntimeFailedError(RuntimeRefusedError):
    """The runtime took up what was asked, and failed at it: one of its own processes ended, say."""

    transient = True


class InputError(AdapterdError):
    """Something that was given (a file, a record, an argument) cannot be used."""

    exit_code = 6


class UnsupportedModelError(AdapterdError):
    """The base model has an architecture or a tensor type that cannot be trained or merged."""

    exit_code = 6


class StageError(AdapterdError):
    """A stage of a run failed; the run can be continued."""

    exit_code = 7


class WorkerLostError(StageError):
    """A stage's process ended without a word: killed, or out of memory."""

    transient = True


class NoSpaceError(StageError):
    """A file system or the memory has less room than a stage needs."""

    transient = True


class PromptsChangedError(StageError):
    """What a run was trained on is prompted otherwise by now, so that its records have to be encoded anew."""


class CancelledError(StageError):
    """Somebody asked the run to end."""


class NotEnoughDataError(StageError):
    """There are too few usable records for the stage to make sense."""


class BusyError(AdapterdError):
    """Another process holds what is needed: a run in progress, or a change of tags."""

    exit_code = 8
    transient = True


class StoreError(AdapterdError):
    """The state database cannot be opened or written."""

    exit_code = 9
    transient = True


class NewerStoreError(StoreError):
    """The state database was written by a newer release than this one."""

    transient = False


class DamagedStoreError(StoreError):
    """The state database is damaged, empty, or gone although the home has versions."""

    transient = False


class OtherReleaseError(AdapterdError):
    """Another release of adapterd was installed under this process, which must not go on with some of both."""

    exit_code = 75
    transient = True


def may_pass(exc: BaseException) -> bool:
    """Whether what was raised may go away by itself, so that trying again later makes sense."""
    if isinstance(exc, AdapterdError):
        return exc.transient
    return isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT)
