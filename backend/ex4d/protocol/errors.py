# SPDX-License-Identifier: Apache-2.0
"""The errors a user can meet: each has a sentence that says what is wrong and one that says what to do.

The exit codes are the contract with render farms: 10 must not be retried, 20 may succeed on another
machine, 30 may succeed when tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

#: Characters of an error's sentence: file content that is quoted in one may be of any length.
MAX_SENTENCE = 2000


def _bounded(text: str) -> str:
    """The text, or its beginning and its end."""
    if len(text) <= MAX_SENTENCE:
        return text
    return f"{text[: MAX_SENTENCE - 503]} … {text[-500:]}"


class Ex4dError(Exception):
    """Base of all errors that are shown to the user.

    Args:
        message: one sentence, what is wrong.
        hint: one sentence, what to do about it. Of both no more than ``MAX_SENTENCE`` characters are kept.
    """

    exit_code: ClassVar[int] = 30
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, hint: str) -> None:
        self.message = _bounded(message)
        self.hint = _bounded(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}"


class UsageError(Ex4dError):
    """The command itself is wrong: an unknown option, a preset that does not exist."""

    exit_code: ClassVar[int] = 2
    kind: ClassVar[str] = "usage"


class BadInputError(Ex4dError):
    """The input cannot be used; trying again gives the same answer."""

    exit_code: ClassVar[int] = 10
    kind: ClassVar[str] = "bad_input"


class ResourceError(Ex4dError):
    """This machine lacks memory, a GPU or a driver; another one may do."""

    exit_code: ClassVar[int] = 20
    kind: ClassVar[str] = "resources"


class TransientError(Ex4dError):
    """Something outside failed (disk full, output not writable); trying again may succeed."""

    exit_code: ClassVar[int] = 30
    kind: ClassVar[str] = "transient"


class InternalError(Ex4dError):
    """A bug of ours."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "bug"

    def __init__(self, error: Exception) -> None:
        text = " ".join(str(error).split()).removesuffix(".")
        super().__init__(
            f"ex4d has a bug: {type(error).__name__}: {text}.",
            "Please report it with the output of the same command with --debug.",
        )


class CancelledError(Ex4dError):
    """The user or the system stopped the work.

    Args:
        exit_code: ``INTERRUPTED`` for Ctrl-C, ``TERMINATED`` for SIGTERM or when nobody listens any more.
    """

    kind: ClassVar[str] = "cancelled"
    INTERRUPTED: ClassVar[int] = 130
    TERMINATED: ClassVar[int] = 143

    def __init__(self, exit_code: int = INTERRUPTED) -> None:
        super().__init__("Cancelled.", "Finished stages are kept; the same command goes on from there.")
        self.exit_code = exit_code  # type: ignore[misc]


class ProtocolError(Ex4dError):
    """A message that is none of ours."""

    exit_code: ClassVar[int] = 2
    kind: ClassVar[str] = "protocol"

    def __init__(self, message: str, hint: str = "Use a client of the same version as the backend.") -> None:
        super().__init__(message, hint)


class OtherVersionError(ProtocolError):
    """A message of another version of the protocol.

    Args:
        other: its version, such as ``b"ex4d/1"``.
        message, hint: see ``Ex4dError``.
    """

    def __init__(self, other: bytes, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.other = other


class RemoteError(Ex4dError):
    """An error that happened in the backend, as its record told it.

    Args:
        kind, exit_code: those of the original error.
    """

    def __init__(self, kind: str, exit_code: int, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.kind = kind  # type: ignore[misc]
        self.exit_code = exit_code  # type: ignore[misc]


@dataclass(frozen=True)
class ErrorInfo:
    """An error as it travels.

    Attributes:
        kind: class of error, see the classes above.
        exit_code: see above.
        message, hint: one sentence each, of at most ``MAX_SENTENCE`` characters.
    """

    kind: str = "error"
    exit_code: int = Ex4dError.exit_code
    message: str = "The backend failed."
    hint: str = "Look into the backend's log."

    @classmethod
    def of(cls, error: Ex4dError) -> ErrorInfo:
        """That of an error."""
        return cls(error.kind, error.exit_code, _bounded(error.message), _bounded(error.hint))

    @classmethod
    def from_header(cls, record: Mapping[str, Any]) -> ErrorInfo:
        """From a message that tells of an error; whatever is missing or of another type gets a neutral value."""
        neutral = cls()
        code = record.get("exit_code")
        return cls(
            str(record.get("kind", neutral.kind)),
            code if isinstance(code, int) else neutral.exit_code,
            _bounded(str(record.get("message", neutral.message))),
            _bounded(str(record.get("hint", neutral.hint))),
        )

    def error(self) -> RemoteError:
        """To be raised or shown on this side."""
        return RemoteError(self.kind, self.exit_code, self.message, self.hint)


def error_record(error: Ex4dError) -> dict[str, Any]:
    """An error as JSON, see ``ErrorInfo``."""
    return asdict(ErrorInfo.of(error))


def error_from_record(record: Mapping[str, Any]) -> RemoteError:
    """The error of ``error_record``; whatever is missing gets a neutral value."""
    return ErrorInfo.from_header(record).error()
