"""The exceptions of syncengine, grouped by what stops.

SyncEngineError
 ├── RequestFailed                one request; retried, then its contact is deferred
 │    ├── CannotBeSent            no request can express it; its contact is rejected
 │    ├── VendorUnavailable       no answer, or one without a judgement
 │    └── VendorThrottled         the vendor says "too fast"
 ├── ContactSuppressed            one contact; nothing is sent about it (any more)
 ├── AccountStopped               one account; its contacts are deferred (exit 1)
 │    ├── VendorHalted            bad key, quota, breaker
 │    ├── LeaseLost               another run took this account over
 │    ├── CutShort                the database or the lease was lost after requests
 │    ├── Unforeseen              a mistake of ours or an adapter, not contained
 │    └── RunStopped              a person asked the run to stop
 ├── RunRefused                   nothing is sent (exit 2)
 │    ├── ConfigError
 │    ├── StorageError
 │    │    └── SchemaOutdated
 │    ├── SourceError
 │    └── BrakeApplied
 ├── LeaseHeld                    another run works on this account (exit 3)
 └── ReportError                  a report's ``raise_for_status``: not all was done

The three levels answer "who pays": a failed request costs its contact this run, a
stopped account defers all its remaining contacts to the next run, a refused run has
sent nothing. Where one account is stopped, the other accounts go on. No message carries
a secret or a value of a contact's field; contacts are named by their id.

Exceptions that stay inside one package (a validator's, a parser's) are defined there.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


class SyncEngineError(Exception):
    """Base class of all exceptions that syncengine raises on purpose."""


class RequestFailed(SyncEngineError):
    """One request did not bring a judgement."""


class CannotBeSent(RequestFailed):
    """No request can express the contact's values. Nothing was sent."""


class VendorUnavailable(RequestFailed):
    """No answer, or an answer without a judgement (5xx, unreadable, cut off).

    ``maybe_applied`` is true where the vendor may have carried the request out all the
    same; ``status`` is that of the answer, None without one. ``is_counted`` is true
    where another contact of the same request is counted as not judged already.
    """

    def __init__(
        self,
        message: str,
        *,
        maybe_applied: bool,
        status: int | None = None,
        is_counted: bool = False,
    ) -> None:
        super().__init__(message)
        self.maybe_applied = maybe_applied
        self.status = status
        self.is_counted = is_counted


class VendorThrottled(RequestFailed):
    """The vendor refused a request for its rate limit; it was not carried out.

    ``retry_after`` is the wait in seconds the vendor asked for, or None when it named
    none.
    """

    def __init__(self, message: str, *, retry_after: float | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ContactSuppressed(SyncEngineError):
    """The contact is suppressed, opted out or forgotten: nothing may be sent.

    ``reason`` names which of these it is.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing is sent about this contact: {reason}")
        self.reason = reason


class AccountStopped(SyncEngineError):
    """Work on one account ends here; its remaining contacts are deferred."""


class VendorHalted(AccountStopped):
    """Going on would be useless or harmful: a bad key, a used-up quota, the breaker.

    ``setting`` names the configuration key to look at (relative to the destination's
    file), where one is to blame.
    """

    def __init__(self, message: str, *, setting: str | None = None) -> None:
        super().__init__(message)
        self.setting = setting


class LeaseLost(AccountStopped):
    """The lease of the account ran out or was taken over.

    This process must not send or write any more.
    """


class CutShort(AccountStopped):
    """The database or the lease was lost after requests were sent; intents stand."""


class Unforeseen(AccountStopped):
    """A failure that nobody foresaw: a mistake of ours or of an adapter."""


class RunStopped(AccountStopped):
    """A person asked the run to stop.

    Requests that are out are answered, and none goes out any more.
    """


class RunRefused(SyncEngineError):
    """The run is refused: nothing is sent."""

    may_pass = False
    """True where it may pass by itself soon: a database that is away."""
    of_rows = False
    """True where the content of a row of the source may be the cause."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in what a person gave us: its place and its description.

    The place is a file, key path or row.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(RunRefused):
    """The configuration cannot be used.

    Holds every problem found, not just the first.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class StorageError(RunRefused):
    """The state database cannot be used."""


class SchemaOutdated(StorageError):
    """The state schema does not fit this version.

    ``syncengine migrate`` brings it up to date.
    """


class SourceError(RunRefused):
    """The source cannot be read as configured.

    A column is missing, keys are NULL or repeated, or access is denied. ``problems``
    lists what is wrong with the configuration, where that is to blame.
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class BrakeApplied(RunRefused):
    """A run that would do something drastic was stopped before its first request.

    ``name`` is the brake's, by which a person may accept it.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class LeaseHeld(SyncEngineError):
    """Another run is working on this account."""


class ReportError(SyncEngineError):
    """Something was not done, as a report says that is asked with ``raise_for_status``.

    ``report`` is that report. Where nothing was sent at all, the error that refused the
    run is raised instead (RunRefused, LeaseHeld).
    """

    def __init__(self, message: str, report: object) -> None:
        super().__init__(message)
        self.report = report


def as_sentence(message: str) -> str:
    """Return a message as a sentence, so that another may follow it."""
    return message if message.endswith((".", "?", "!")) else f"{message}."


def root_error(error: BaseException) -> SyncEngineError:
    """Return the first error of ours that a failure comes down to.

    Unforeseen where it is none of ours. A task group wraps the errors of its tasks into
    an exception group, which may itself be in one.
    """
    for leaf in _leaves(error):
        if isinstance(leaf, SyncEngineError):
            return leaf
    return Unforeseen(
        f"something unforeseen: {where_it_broke(error)}. Other accounts go on, and "
        "what was sent and not written down is settled by the next run; with "
        "SYNCENGINE_DEBUG=1 the command tells more"
    )


def contact_error(error: BaseException) -> str | None:
    """Return the message of an error that concerns one contact alone.

    That is a failed request, or a failure nobody foresaw: a mistake in the handling of
    one value ends with its contact. None for errors that stop more than that, and for
    those that are no ``Exception`` (a cancellation, an interrupt).
    """
    if isinstance(error, RequestFailed):
        return str(error)
    if isinstance(error, SyncEngineError) or not isinstance(error, Exception):
        return None
    return f"something unforeseen: {where_it_broke(error)}"


def where_it_broke(error: BaseException) -> str:
    """Return the kind of an error and its place.

    Its message is left out, since that may contain a contact's value.
    """
    first = next(_leaves(error))
    kind = type(first).__name__
    frames = traceback.extract_tb(first.__traceback__)
    if not frames:
        return kind
    innermost = frames[-1]
    return f"{kind} in {Path(innermost.filename).name}, line {innermost.lineno}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors inside an exception group, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error
