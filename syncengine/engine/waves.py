"""Waves: the equal steps of many contacts, carried out by one request.

Contacts are played side by side (``engine.contact``). Where the vendor takes several
contacts in one request (``ports.BulkVendor``), their look-ups, reads and calls meet
here. Whoever comes first opens a wave, waits for others (``planning.waves``), carries
all of it out, and hands each contact its own answer. For a contact nothing is different
from being alone:

- Right before the bytes go out, consent is asked for all of them. Whoever has said no
  is taken out, and the others go on.
- An answer names its call. A call that no answer names is unknown.
- A request that was refused as a whole, and carried nothing out, is cut into halves
  until the contact that is to blame stands alone: at most ``2 * log2(n)`` further
  requests for each such contact of ``n``.
- A request without an answer counts as one failure of the vendor's, whatever number of
  contacts it had.
- Two contacts with the same match key never share a request: the vendor may take them
  for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from syncengine.engine.consent import ContactCheck
from syncengine.engine.crowd import Crowd
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import AnsweredExchange, Retrier
from syncengine.errors import (
    AccountStopped,
    CannotBeSent,
    ContactSuppressed,
    VendorUnavailable,
)
from syncengine.model.calls import Answer, Applied, Call, Rejected
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Exchange
from syncengine.planning.attempt.conclusions import (
    is_not_shown,
    names_other_contact,
    not_shown_yet,
)
from syncengine.planning.attempt.steps import Find, Read, Send
from syncengine.planning.waves import (
    LONGEST_WAIT,
    Kind,
    Sharing,
    Stage,
    VendorStep,
    is_due,
    sharing_of,
)
from syncengine.ports import BulkVendor, Vendor


@dataclass(eq=False, slots=True)
class _Member:
    """A contact of a wave: what it asks for, and where its answer goes."""

    step: VendorStep
    meter: Meter
    answer: asyncio.Future[AnsweredExchange[Any]]
    may_be_done: bool = False
    """True where an earlier request may have carried its call out without saying so."""


@dataclass(eq=False, slots=True)
class _Wave:
    """Contacts that are to share a request."""

    size: int
    stage: Stage
    """The earliest stage of its members."""
    members: list[_Member] = field(default_factory=list)
    marks: set[Hashable] = field(default_factory=set)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when it may have become due."""

    @property
    def is_full(self) -> bool:
        return len(self.members) >= self.size

    def takes(self, sharing: Sharing) -> bool:
        """Return whether a step may join."""
        return not self.is_full and self.marks.isdisjoint(sharing.marks)

    def add(self, member: _Member, sharing: Sharing) -> None:
        self.members.append(member)
        self.marks |= sharing.marks
        self.stage = min(self.stage, sharing.stage)
        if self.is_full:
            self.news.set()


class CheckOfAll:
    """Check of several contacts before a request about all of them (``SendCheck``)."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self.members: dict[ContactCheck, _Member] = {}
        """Members by their own checks."""
        self.refused: dict[_Member, ContactSuppressed] = {}
        """Members that have said no when they were asked last."""
        for member in members:
            check = member.meter.allowed
            if check is not None:
                assert isinstance(check, ContactCheck), "a member is one contact"
                self.members[check] = member

    async def __call__(self) -> None:
        """Raise ContactSuppressed where any member has said no."""
        checks = tuple(self.members)
        if not checks:
            return
        refused = await checks[0].consent.refused(checks)
        for check, error in refused.items():
            self.refused[self.members[check]] = error
        for error in refused.values():
            raise error


class Waves:
    """Carries out what contacts ask the vendor for, together where it can be."""

    def __init__(
        self,
        vendor: Vendor,
        retrier: Retrier,
        crowd: Crowd,
        match_on: Sequence[str] = (),
    ) -> None:
        """Take the parts of a run.

        ``crowd`` knows all contacts that may ask; ``match_on`` are the fields that they
        are looked up by, in their order.
        """
        self._vendor = vendor
        self._bulk = vendor if isinstance(vendor, BulkVendor) else None
        self._capabilities = vendor.capabilities
        self._retrier = retrier
        self._crowd = crowd
        self._match_on = match_on
        self._open: dict[Kind, list[_Wave]] = {}
        """Waves that wait for newcomers."""
        self._under_way = 0
        """Waves that are being carried out."""
        self.on_accepted: Callable[[int], None] = _tell_nobody
        """Called with the number of each answer to contacts that could share a request
        which shows that the vendor carried a call out; before any of them goes on."""
        crowd.on_quiet = self._look_again

    async def ask(self, step: VendorStep, meter: Meter) -> AnsweredExchange[Any]:
        """Return the answer to one contact's step.

        Raises as ``Retrier.run_to_answer`` does.
        """
        sharing = sharing_of(step, self._capabilities, self._match_on)
        if self._bulk is None or sharing.size <= 1:
            return await self._ask_alone(step, meter)
        loop = asyncio.get_running_loop()
        member = _Member(step, meter, loop.create_future())
        waves = self._open.setdefault(sharing.kind, [])
        for wave in waves:
            if wave.takes(sharing):
                wave.add(member, sharing)
                self._crowd.park()
                return await member.answer
        wave = _Wave(sharing.size, sharing.stage)
        wave.add(member, sharing)
        waves.append(wave)
        self._crowd.park()
        await self._lead(wave, waves)
        return await member.answer

    async def find(self, key: MatchKey) -> Sequence[Remote]:
        """Return every vendor contact that has the key, as a question of its own."""
        answered = await self.ask(Find(key), Meter())
        remotes: Sequence[Remote] = answered.value
        return remotes

    async def read(self, external_id: str) -> Remote | None:
        """Return a vendor contact by its id, as a question of its own."""
        answered = await self.ask(Read(external_id), Meter())
        remote: Remote | None = answered.value
        return remote

    async def _lead(self, wave: _Wave, waves: list[_Wave]) -> None:
        """Wait for newcomers, and give each member its answer."""
        try:
            await self._gather(wave)
            waves.remove(wave)
            self._under_way += 1
            # Waves of a later stage may have waited for this one.
            self._look_again()
            try:
                await self._carry_out(wave.members)
            finally:
                self._under_way -= 1
                self._look_again()
        except Exception as error:  # noqa: BLE001 - each member's attempt judges it
            self._fail_all(wave.members, error)
        except BaseException:
            # The run ends, and this worker with it: nobody else carries it out.
            for member in wave.members:
                member.answer.cancel()
            raise

    async def _gather(self, wave: _Wave) -> None:
        """Return once the wave is full, or due all the same."""
        loop = asyncio.get_running_loop()
        opened = loop.time()
        while not wave.is_full and not self._is_due(wave, loop.time() - opened):
            wave.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(opened + LONGEST_WAIT):
                    await wave.news.wait()

    def _is_due(self, wave: _Wave, waited: float) -> bool:
        open_waves = [each for waves in self._open.values() for each in waves]
        return is_due(
            waited=waited,
            may_grow=self._crowd.may_move or self._under_way > 0,
            is_first=all(wave.stage <= each.stage for each in open_waves),
        )

    def _look_again(self) -> None:
        """Have every open wave look whether it is due."""
        for waves in self._open.values():
            for wave in waves:
                wave.news.set()

    async def _carry_out(self, members: Sequence[_Member]) -> None:
        """Give each of the members its answer."""
        if len(members) == 1:
            await self._answer_alone(members[0])
            return
        check = CheckOfAll(members)
        try:
            answered = await self._ask_together(members, check)
        except ContactSuppressed as error:
            await self._go_on_without(members, check.refused, error)
        except CannotBeSent:
            await self._halve(members)
        except VendorUnavailable as error:
            if not check.refused or not _is_repeatable(members):
                self._fail_all(members, error)
                return
            # Somebody has said no before a lost try was repeated, which ended the tries
            # of the others as well.
            for member in members:
                member.may_be_done |= error.maybe_applied
            await self._go_on_without(members, check.refused, error)
        except Exception as error:  # noqa: BLE001 - each member's attempt judges it
            self._fail_all(members, error)
        else:
            await self._share(members, answered)

    async def _ask_together(
        self, members: Sequence[_Member], check: CheckOfAll
    ) -> AnsweredExchange[Rejected | Mapping[_Member, Any]]:
        """Carry out the steps of several contacts by one request."""
        meter = Meter(check)
        _take_late_writes(members, meter)
        is_repeatable = _is_repeatable(members)
        assert self._bulk is not None, "only a vendor that takes many has waves"
        make = partial(_exchange_of, self._bulk, members)
        try:
            return await self._retrier.run_to_answer(
                make, meter, repeatable=is_repeatable
            )
        finally:
            # Before any of them has its answer, and goes on. A request of many contacts
            # is counted once: with the first of them.
            members[0].meter.requests += meter.requests
            if meter.take_late_write():
                for member in members:
                    member.meter.note_late_write()

    async def _share(
        self,
        members: Sequence[_Member],
        answered: AnsweredExchange[Rejected | Mapping[_Member, Any]],
    ) -> None:
        """Give each member what the answer says of it."""
        answers = answered.value
        if answered.after_lost_try:
            for member in members:
                member.may_be_done = True
        if isinstance(answers, Rejected):
            await self._halve(members)
            return
        if any(_is_carried_out(member, answers[member]) for member in answers):
            self.on_accepted(answered.number)
        untold: list[_Member] = []
        for member in members:
            if member in answers:
                self._give(member, answers[member], answered.number)
            else:
                member.may_be_done = isinstance(member.step, Send)
                untold.append(member)
        if untold:
            await self._answer_untold(untold, of=len(members))

    async def _answer_untold(self, untold: Sequence[_Member], of: int) -> None:
        """Answer members of whom a request's answer says nothing.

        ``of`` is the number of contacts that the request had.
        """
        step = untold[0].step
        if isinstance(step, Send) and not step.repeatable:
            error = VendorUnavailable(
                "the vendor's answer to a request of several contacts says nothing of "
                "this one",
                maybe_applied=True,
            )
            self._fail_all(untold, error)
        elif len(untold) < of:
            await self._carry_out(untold)
        else:
            await self._halve(untold)

    async def _halve(self, members: Sequence[_Member]) -> None:
        """Carry out both halves, one after the other."""
        middle = (len(members) + 1) // 2
        for half in (members[:middle], members[middle:]):
            if half:
                await self._carry_out(half)

    async def _go_on_without(
        self,
        members: Sequence[_Member],
        refused: Mapping[_Member, ContactSuppressed],
        error: Exception,
    ) -> None:
        """Take out whoever said no, and carry the others out."""
        rest = [member for member in members if member not in refused]
        for member, own_error in refused.items():
            self._fail(member, own_error)
        if len(rest) == len(members):
            self._fail_all(members, error)
        elif rest:
            await self._carry_out(rest)

    async def _answer_alone(self, member: _Member) -> None:
        try:
            answered = await self._ask_alone(member.step, member.meter)
        except Exception as error:  # noqa: BLE001 - the member's attempt judges it
            self._fail(member, error)
        else:
            member.may_be_done |= answered.after_lost_try
            if _is_carried_out(member, answered.value):
                self.on_accepted(answered.number)
            self._give(member, answered.value, answered.number)

    async def _ask_alone(self, step: VendorStep, meter: Meter) -> AnsweredExchange[Any]:
        """Carry out one contact's step by a request of its own."""
        make: Callable[[], Exchange[Any]]
        is_repeatable = True
        match step:
            case Find(key):
                make = partial(self._vendor.find, key)
            case Read(external_id):
                make = partial(self._vendor.read, external_id)
            case Send(call, is_repeatable, is_just_created):
                make = partial(self._vendor.send, call)
                if is_just_created:
                    make = partial(_send_until_found, self._vendor, call)
        return await self._retrier.run_to_answer(make, meter, repeatable=is_repeatable)

    def _give(self, member: _Member, value: object, number: int) -> None:
        # Whoever was cancelled waits for no answer any more.
        if not member.answer.done():
            answered = AnsweredExchange(value, member.may_be_done, number)
            member.answer.set_result(answered)
            # From here on: others must not take it for parked until it wakes.
            self._crowd.resume()

    def _fail(self, member: _Member, error: Exception) -> None:
        if not member.answer.done():
            member.answer.set_exception(_covering_earlier_requests(member, error))
            # Retrieved here: a worker that is cancelled meanwhile never does.
            member.answer.exception()
            self._crowd.resume()

    def _fail_all(self, members: Sequence[_Member], error: Exception) -> None:
        """Give all members the error of their request, which counts once."""
        self._fail(members[0], error)
        if isinstance(error, VendorUnavailable):
            error = VendorUnavailable(
                str(error),
                maybe_applied=error.maybe_applied,
                status=error.status,
                is_counted=True,
            )
        for member in members[1:]:
            self._fail(member, error)


def _tell_nobody(_number: int) -> None:
    """Ignore an acceptance."""


def _is_carried_out(member: _Member, answer: object) -> bool:
    """Return whether an answer shows that the vendor carried out a member's call."""
    if not isinstance(member.step, Send) or not isinstance(answer, Applied):
        return False
    return not answer.was_gone and not names_other_contact(member.step.call, answer)


def _is_repeatable(members: Sequence[_Member]) -> bool:
    """Return whether the members' request may be sent twice: they are alike in that."""
    step = members[0].step
    return not isinstance(step, Send) or step.repeatable


def _covering_earlier_requests(member: _Member, error: Exception) -> Exception:
    """Return the error of a member's last request, with what earlier ones may have done.

    ``Retrier`` does the same for the tries of one request.
    """
    if not member.may_be_done:
        return error
    if isinstance(error, VendorUnavailable):
        return VendorUnavailable(
            str(error),
            maybe_applied=True,
            status=error.status,
            is_counted=error.is_counted,
        )
    if isinstance(error, AccountStopped | ContactSuppressed | CannotBeSent):
        return VendorUnavailable(str(error), maybe_applied=True)
    return error


def _take_late_writes(members: Sequence[_Member], meter: Meter) -> None:
    """Note on the meter of a request if a late write of a member may still arrive."""
    for member in members:
        if member.meter.take_late_write():
            meter.note_late_write()


def _exchange_of(
    bulk: BulkVendor, members: Sequence[_Member]
) -> Exchange[Rejected | Mapping[_Member, Any]]:
    """Ask the vendor for all members.

    Returns the answers by member; one that has none is left out.
    """
    match members[0].step:
        case Find():
            return (yield from _find_all(bulk, members))
        case Read():
            return (yield from _read_all(bulk, members))
        case Send():
            return (yield from _send_all(bulk, members))


def _find_all(
    bulk: BulkVendor, members: Sequence[_Member]
) -> Exchange[Mapping[_Member, Sequence[Remote]]]:
    keys: dict[_Member, MatchKey] = {}
    for member in members:
        assert isinstance(member.step, Find), "the steps of a wave are alike"
        keys[member] = member.step.key
    found = yield from bulk.find_many(tuple(dict.fromkeys(keys.values())))
    return {member: found[key] for member, key in keys.items() if key in found}


def _read_all(
    bulk: BulkVendor, members: Sequence[_Member]
) -> Exchange[Mapping[_Member, Remote | None]]:
    ids: dict[_Member, str] = {}
    for member in members:
        assert isinstance(member.step, Read), "the steps of a wave are alike"
        ids[member] = member.step.external_id
    shown = yield from bulk.read_many(tuple(dict.fromkeys(ids.values())))
    return {member: shown[each] for member, each in ids.items() if each in shown}


def _send_all(
    bulk: BulkVendor, members: Sequence[_Member]
) -> Exchange[Rejected | Mapping[_Member, Answer]]:
    steps: dict[_Member, Send] = {}
    for member in members:
        assert isinstance(member.step, Send), "the steps of a wave are alike"
        steps[member] = member.step
    calls = [step.call for step in steps.values()]
    results = yield from bulk.send_many(calls)
    if isinstance(results, Rejected):
        return results
    told: dict[str, list[Answer]] = {}
    for result in results:
        told.setdefault(result.call.contact_id, []).append(result.answer)
    answers: dict[_Member, Answer] = {}
    too_soon: list[Answer] = []
    for member, step in steps.items():
        own = told.get(step.call.contact_id, [])
        # Two answers to one call contradict each other: neither is believed.
        if len(own) != 1:
            continue
        if step.is_just_created and is_not_shown(own[0]):
            too_soon.append(own[0])
        else:
            answers[member] = own[0]
    if len(too_soon) == len(members):
        # Nobody is ready: all are tried again after a pause.
        raise not_shown_yet(too_soon[0])
    return answers


def _send_until_found(vendor: Vendor, call: Call) -> Exchange[Answer]:
    """Send a call about a contact that the vendor may not show yet."""
    answer = yield from vendor.send(call)
    if is_not_shown(answer):
        raise not_shown_yet(answer)
    return answer
