"""Give an adapter's requests hostile answers, as many as asked for.

The contract suite gives some hundred (``contract/hostility.py``), a soak any number.
Each exchange is begun with the twin's own answers; from a random request on, they are
spoiled (``hostile``). The exchange runs in the engine's own ``drive``.

Each exchange has to end as an outcome or as a named error of that request, and what is
found has to be fit for a path, for the state database and for a log.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import orjson

from syncengine.engine.exchange import Meter, drive
from syncengine.errors import AccountStopped, CannotBeSent, RequestFailed
from syncengine.model.calls import Action, Applied, CallResult, Exists, Rejected
from syncengine.model.contact import Desired, Known, Page, Remote
from syncengine.model.http import Exchange, Request, Response
from syncengine.planning.found_contacts import known_from_remote
from syncengine.ports import BulkVendor, DetailReader, Directory, Merger, SendCheck
from syncengine.testing.benches import Bench
from syncengine.testing.bulk_calls import bulk_of, many, ready_calls
from syncengine.testing.hostile import hostile
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

_MOST_REQUESTS = 350
"""Of one exchange: the pages of a look-up, in three spellings, and a few more."""
_EXCHANGES_A_RUN = 200


@dataclass(frozen=True)
class Errand:
    """One thing an adapter is asked to do, and its twin's answer to each request."""

    subject: VendorUnderTest
    what: str
    start: Callable[[], Exchange[Any]]
    answers: Sequence[Response]

    def __str__(self) -> str:
        return f"{self.subject}, {self.what}"


@dataclass
class HostileSender:
    """The sender of one exchange, whose first answers are honest (``ports.Sender``)."""

    errand: Errand
    random: Random
    honest: int
    """Number of requests that are answered rightly before the first fault."""
    answers: int = 0
    last: Request | None = None

    async def send(
        self, request: Request, _allowed: SendCheck | None = None
    ) -> Response:
        # The last answer of the twin is the pattern for all further ones.
        position = min(self.answers, len(self.errand.answers) - 1)
        good = self.errand.answers[position]
        self.answers += 1
        self.last = request
        assert self.answers <= _MOST_REQUESTS, (
            f"{self.errand} asks on and on: more than {_MOST_REQUESTS} requests"
        )
        assert b"/../" not in f"{request.path}/".encode(), (
            f"{self.errand} asks for a path that leads elsewhere: {request.path!r}"
        )
        return good if self.answers <= self.honest else hostile(self.random, good)


@dataclass
class Answered:
    """The results of one vendor."""

    exchanges: int = 0
    answers: int = 0
    contained: int = 0
    """Answers that an adapter stumbled over in a way it did not foresee."""
    ends: Counter[str] = field(default_factory=Counter)
    """Number of exchanges by the class of their result or failure."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Number of exchanges by what was wrong with their end."""


def answered(subjects: Sequence[VendorUnderTest], wanted: int, seed: int) -> Answered:
    """Give one vendor's adapter so many hostile answers; a seed gives the same ones.

    ``subjects`` are the vendor as it comes and its variants.
    """
    random = Random(f"{subjects[0].spec.name} {seed}")
    results = Answered()
    errands = [errand for each in subjects for errand in _errands(each)]
    while results.answers < wanted:
        asyncio.run(_some(errands, random, results))
    return results


async def _some(errands: Sequence[Errand], random: Random, results: Answered) -> None:
    """Play some exchanges, and note how each of them ended."""
    for _ in range(_EXCHANGES_A_RUN):
        errand = random.choice(errands)
        sender = HostileSender(
            errand, random, honest=random.randrange(len(errand.answers))
        )
        results.exchanges += 1
        try:
            end = await drive(errand.start, sender, Meter())
            problem = _problem(errand, end)
            results.ends[type(end).__name__] += 1
        except (RequestFailed, AccountStopped) as error:
            problem = _problem_of_failure(errand, error, sender)
            results.ends[type(error).__name__] += 1
            results.contained += "cannot be read (" in str(error)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            problem = f"{type(error).__name__}: {str(error)[:100]}"
        results.answers += max(0, sender.answers - sender.honest)
        if problem:
            results.wrong[f"{errand}: {problem}"] += 1


def _problem_of_failure(
    errand: Errand, error: Exception, sender: HostileSender
) -> str | None:
    """Return the fault of a failure, if it has any."""
    words = str(error)
    if isinstance(error, CannotBeSent):
        return "a call that was fine cannot be sent"
    assert sender.last is not None
    if sender.last.route not in words and "the vendor" not in words:
        return "the request is not named"
    return _unfit_words(errand, words)


def _problem(errand: Errand, end: Any) -> str | None:
    """Return the fault of a result, if it has any."""
    for part in _parts(end):
        problem = None
        match part:
            case Applied():
                problem = _unfit_id(part.external_id)
                problem = problem or _unfit_words(errand, part.receipt)
            case Rejected():
                problem = _unfit_words(errand, part.message)
            case Remote():
                problem = _unfit(errand, part)
        if problem:
            return problem
    return None


def _parts(end: Any) -> Iterator[Any]:
    """Yield the answers and the contacts in a result."""
    match end:
        case Exists(remote=remote) | CallResult(answer=Exists(remote=remote)):
            yield remote
        case CallResult(answer=answered_call):
            yield answered_call
        case Page(contacts=contacts):
            yield from contacts
        case Mapping():
            # Of details, too, which are not looked at: they are JSON.
            yield from (part for shown in end.values() for part in _parts(shown))
        case list() | tuple():
            yield from (part for each in end for part in _parts(each))
        case _:
            yield end


def _unfit(errand: Errand, remote: Remote) -> str | None:
    """Return the fault of a found contact that cannot be compared, linked or stored."""
    vendor = errand.subject.vendor
    desired = Desired("contact-1", errand.subject.fields(1), frozenset({"vip"}))
    try:
        known = known_from_remote(remote, desired, Known(), vendor.same)
        stored = orjson.dumps(
            [dict(known.fields), sorted(known.tags | known.found_tags)]
        )
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"what was found cannot be used: {type(error).__name__}"
    # Postgres takes no NUL in jsonb; an escaped backslash before it is no NUL.
    if b"\\u0000" in stored.replace(b"\\\\", b""):
        return "what was found cannot be stored"
    return _unfit_id(remote.external_id)


def _unfit_id(external_id: str | None) -> str | None:
    if external_id is None:
        return None
    fit = (
        external_id.isprintable()
        and external_id.strip() not in ("", ".", "..")
        and len(external_id) <= 512
    )
    return None if fit else "an id that is none"


def _unfit_words(errand: Errand, words: str) -> str | None:
    if not words.isprintable() or len(words) > 700:
        return "words that are unfit for a log"
    hidden = secrets(errand.subject.spec).values()
    if any(secret in words for secret in hidden):
        return "a secret in what is said"
    return None


def _errands(subject: VendorUnderTest) -> Iterator[Errand]:
    """Yield all that an adapter can be asked, each with its twin's own answers."""
    can, vendor = subject.vendor.capabilities, subject.vendor
    for action in subject.actions():
        bench = Bench(subject)
        call = bench.ready(action)
        yield _errand(bench, action.value, partial(vendor.send, call))
        if action in (Action.CREATE, Action.UPSERT):
            yield _errand(bench, f"{action.value} again", partial(vendor.send, call))
        if action is not Action.DELETE:
            bare = Bench(subject)
            lost = replace(call, external_id="7" if call.external_id else None)
            yield _errand(bare, f"{action.value} of nobody", partial(vendor.send, lost))
    bench = Bench(subject)
    external_id, other = bench.make(1), bench.make(2)
    yield from _look_ups(bench)
    if can.reads:
        yield _errand(bench, "read", partial(vendor.read, external_id))
    if isinstance(vendor, Directory):
        yield _errand(bench, "page", partial(vendor.page, None))
    if isinstance(vendor, DetailReader):
        yield _errand(bench, "details", partial(vendor.details, external_id))
    if isinstance(vendor, Merger):
        yield _errand(bench, "merge", partial(vendor.merge, external_id, other))
    if isinstance(vendor, BulkVendor):
        yield from _in_batches(bench, (external_id, other))


def _in_batches(bench: Bench, ids: Sequence[str]) -> Iterator[Errand]:
    """Yield what can be asked about several contacts in one request."""
    subject = bench.subject
    vendor = many(subject)
    for action in subject.actions():
        if bulk_of(subject, action):
            apart = Bench(subject)
            calls = ready_calls(apart, action, 2)
            yield _errand(
                apart, f"{action.value} of many", partial(vendor.send_many, calls)
            )
    if subject.vendor.capabilities.reads:
        yield _errand(bench, "read of many", partial(vendor.read_many, ids))
    if subject.vendor.capabilities.find_by:
        keys = (next(subject.keys(1)), next(subject.keys(2)))
        yield _errand(bench, "find of many", partial(vendor.find_many, keys))


def _look_ups(bench: Bench) -> Iterator[Errand]:
    vendor = bench.subject.vendor
    if next(vendor.probe(), None) is not None:
        yield _errand(bench, "probe", vendor.probe)
    if vendor.capabilities.find_by:
        for key in bench.subject.keys(1):
            yield _errand(bench, f"find by {key.field}", partial(vendor.find, key))


def _errand(bench: Bench, what: str, start: Callable[[], Exchange[Any]]) -> Errand:
    """Return an errand with the answers that the twin gives it."""
    before = len(bench.responses)
    with suppress(RequestFailed, AccountStopped):
        bench.do(start())
    answers = bench.responses[before:]
    assert answers, f"{bench.subject}: {what} asks nothing"
    return Errand(bench.subject, what, start, tuple(answers))
