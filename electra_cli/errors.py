"""The family of errors that users see: what was wrong, what to do next, and the exit code.

Exit codes are an interface (docs/reference/exit-codes.md): schedulers decide by them whether to
start a job again.
"""

from __future__ import annotations

from collections.abc import Sequence


class ElectraError(Exception):
    """An error with a message for people and an exit code for scripts.

    Args:
      message: What was wrong, with the offending value and where it came from.
      hint: What to do or type next; empty when there is nothing to add.
    """

    exit_code = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.findings: list[dict[str, object]] = []  # what was found wrong with a run up to then
        self.message = message
        self.hint = hint


def exit_code_of(error: BaseException) -> int:
    """The exit code that any exception stands for; TensorFlow's are known by their names."""
    if isinstance(error, ElectraError):
        return error.exit_code
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return OutOfMemoryError.exit_code
    return (IOFailedError if isinstance(error, OSError) else ElectraError).exit_code


def listed(names: Sequence[str], most: int = 3, *, separator: str = ", ") -> str:
    """Some names for a message: the first ones, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def counted(number: int, noun: str) -> str:
    """1, 'row' -> '1 row'; 2,000 -> '2,000 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """12.3 -> '12s', 4000 -> '1h 06m'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    days = whole / 86400
    return f"{days:.1f} days" if days < 2 * 365 else f"{days / 365.25:,.0f} years"


class ConfigError(ElectraError):
    """Wrong usage or configuration; nothing was started."""

    exit_code = 2


class DataError(ElectraError):
    """Data or a checkpoint that cannot be used as it is."""

    exit_code = 65


class InputMissingError(ElectraError):
    """An input that is not there or cannot be read."""

    exit_code = 66


class TrainingError(ElectraError):
    """Training diverged, or something that should not happen did."""

    exit_code = 70


class StoppedError(ElectraError):
    """A run was told to end by SIGTERM or SIGHUP; what it has computed is saved."""

    exit_code = 143


class Terminated(BaseException):
    """The command was told to end before it had anything to save; exit code 143.

    It is no Exception, so that nothing on its way handles it as a fault.
    """


class OutOfMemoryError(ElectraError):
    """A device or the host ran out of memory."""

    exit_code = 71


class OutputError(ElectraError):
    """An output that cannot be created, or that would overwrite something else."""

    exit_code = 73


class IOFailedError(ElectraError):
    """Reading or writing failed half way, a full disk for example."""

    exit_code = 74


class TryAgainError(ElectraError):
    """A passing condition: the same command may succeed later."""

    exit_code = 75
