"""What a status and the words with it mean: to be waited for, wrong for this request, or wrong for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from adapterd.errors import (
    AdapterdError,
    ConfigError,
    NotFoundError,
    RuntimeRefusedError,
    RuntimeUnavailableError,
)
from adapterd.stopped import why_stopped
from adapterd.teachers.clients.patience import TryAgainError, retry_after_s

MOST_SAID = 300
"""Characters of a server's own words in a message."""
_MAY_PASS = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504, 507, 508, 520, 521, 522, 523, 524, 529})
"""Beside HTTP's own those of Cloudflare (52x), and 529, which stands for an overloaded server at several providers."""
_NO_CREDIT = ("insufficient_quota", "insufficient_credits", "billing_hard_limit_reached", "billing_not_active")
_KEY_STATUSES = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class RefusedError(RuntimeRefusedError):
    """This one request is refused: `said` are the server's words, `status` its HTTP status."""

    def __init__(self, message: str, *, said: str, code: str, status: int) -> None:
        super().__init__(message)
        self.said = said
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Problem:
    """An answer that is none: what was asked where, the status, and what the server said in which place."""

    where: str
    what: str
    status: int
    said: str
    code: str
    is_page: bool
    key_variable: str
    location: str

    @property
    def words(self) -> str:
        """Status and the server's own words, for the end of a sentence."""
        said = f": {self.said[:MOST_SAID]}" if self.said else ""
        return f"(status {self.status}){said}"


def error_of(problem: Problem, headers: Mapping[str, str]) -> Exception:
    """The error for a problem: one of ours, or TryAgainError around it."""
    status = problem.status
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return ConfigError(
            f"what answers at {problem.where} points to {problem.location}",
            hint="configure that address",
        )
    if status == HTTPStatus.PAYMENT_REQUIRED or problem.code in _NO_CREDIT:
        return ConfigError(
            f"{problem.where} asks for payment {problem.words}", hint="see the account's credit and limits there"
        )
    if status in _KEY_STATUSES:
        return _of_key(problem)
    if status == HTTPStatus.NOT_FOUND:
        return _not_found(problem)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and why_stopped(problem.said):  # asked again, it would be the same
        return _refused(problem, "stopped an answer of")
    if status in _MAY_PASS:
        return _may_pass(problem, headers)
    if status >= HTTPStatus.BAD_REQUEST:
        return _refused(problem, "refused")
    if problem.is_page:
        return _no_api(problem)
    return TryAgainError(
        RuntimeUnavailableError(f"{problem.where} answered {problem.what} with what is no JSON object")
    )


def _refused(problem: Problem, verb: str) -> RefusedError:
    return RefusedError(
        f"{problem.where} {verb} {problem.what} {problem.words}",
        said=problem.said, code=problem.code, status=problem.status,
    )  # fmt: skip


def _of_key(problem: Problem) -> AdapterdError:
    variable = problem.key_variable
    if not variable:
        return ConfigError(
            f"{problem.where} asks for a key {problem.words}",
            hint="name the environment variable that has it in its settings (key_env)",
        )
    return ConfigError(
        f"{problem.where} refuses the key of the environment variable {variable} {problem.words}",
        hint=f"put the right key into {variable}",
    )


def _not_found(problem: Problem) -> AdapterdError:
    if not problem.said:
        return _no_api(problem)
    return NotFoundError(
        f"{problem.where} has no {problem.what} {problem.words}",
        hint="correct its model or its address",
    )


def _no_api(problem: Problem) -> ConfigError:
    return ConfigError(
        f"what answers at {problem.where} is no API of a model (status {problem.status})",
        hint="correct the address in the configuration; that of an OpenAI-compatible server ends with /v1 as a rule",
    )


def _may_pass(problem: Problem, headers: Mapping[str, str]) -> TryAgainError:
    is_busy = problem.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, 529)
    said = "is busy" if is_busy else f"failed at {problem.what}"
    hint = "give the command again: what was answered is kept"
    error = RuntimeUnavailableError(f"{problem.where} {said} {problem.words}", hint=hint)
    return TryAgainError(error, wait_s=retry_after_s(headers), for_all=is_busy)


def status_in(status: int, fields: Mapping[str, Any]) -> int:
    """The status of an answer: routers tell of an error under status 200, with its own status as the code."""
    error = fields.get("error")
    if status != HTTPStatus.OK or not error or fields.get("choices"):
        return status
    code = error.get("code") if isinstance(error, dict) else None
    return code if type(code) is int and HTTPStatus.BAD_REQUEST <= code < 600 else HTTPStatus.BAD_GATEWAY


def reason_of(fields: Mapping[str, Any]) -> str:
    """The words in an error, in whichever of the usual places; empty where there are none."""
    error = fields.get("error", fields.get("detail", fields.get("message")))
    if isinstance(error, dict):
        error = error.get("message")
    return " ".join(str(error).split()) if error else ""


def code_of(fields: Mapping[str, Any]) -> str:
    """What kind of an error it is, in the server's own words: `code`, else `type`."""
    error = fields.get("error")
    found = (error.get("code") or error.get("type")) if isinstance(error, dict) else None
    return found if isinstance(found, str) else ""
