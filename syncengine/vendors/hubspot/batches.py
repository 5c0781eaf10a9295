"""Calls about many contacts in one request, and whom each part of the answer is about.

HubSpot answers in no order, so that nothing is told by a position. An entry belongs to
the call whose trace id it repeats, or else whose id, unique property or e-mail address
it shows. What no entry names is unknown: it may have been carried out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from syncengine.vendor import (
    Action,
    Answer,
    Applied,
    Call,
    CallResult,
    Exchange,
    Exists,
    Json,
    MatchKey,
    Rejected,
    Remote,
    Reply,
    Request,
    VendorThrottled,
    VendorUnavailable,
    as_text,
    external_id_of,
    one_each,
)
from syncengine.vendors.hubspot.answers import (
    CONFLICT,
    BatchAnswer,
    HubSpotError,
    HubSpotObject,
    ask,
    existing_id,
    is_conflict,
    parse_batch,
    refusal,
    rejected,
    words,
)
from syncengine.vendors.hubspot.look_ups import LookUps
from syncengine.vendors.hubspot.requests import HubSpotRequests
from syncengine.vendors.hubspot.settings import EMAIL, HubSpotSettings
from syncengine.vendors.hubspot.values import same_value
from syncengine.vendors.hubspot.views import ContactView

_REFUSED_AS_A_WHOLE = (400, 404, 409, 413, 422)
"""Statuses of a batch that HubSpot refuses for what it says of the contacts."""
_TRACE = "trace"
"""The kind of name of a trace id; other kinds are ``id`` and names of properties."""


@dataclass(frozen=True, slots=True)
class BatchCall:
    """One call of a batch, as it is sent."""

    call: Call
    trace: str
    properties: Mapping[str, Json]

    def names(self, unique: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield what an entry of the answer may name the call by, as kind and name."""
        yield _TRACE, self.trace
        if self.call.action not in (Action.CREATE, Action.UPSERT):
            yield "id", external_id_of(self.call)
        yield from _values_of(self.properties, unique)
        if self.call.action is Action.UPSERT:
            key = upsert_key(self.call)
            yield key.field, key.value

    def is_contradicted_by(self, contact: HubSpotObject, unique: Sequence[str]) -> bool:
        """Return whether a contact shows that it is another than the call is about.

        A create has the values that it wrote, and an upsert its key. An update goes by
        the id, and an answer may show that a value of it was not taken.
        """
        values: dict[str, tuple[str, ...]] = {}
        if self.call.action is Action.CREATE:
            for name, value in _values_of(self.properties, unique):
                values[name] = (value,)
        elif self.call.action is Action.UPSERT:
            key = upsert_key(self.call)
            written = as_text(self.properties.get(key.field))
            values[key.field] = (key.value, written)
        for name, own_values in values.items():
            shown = contact.value(name)
            same = (same_value(name, own, shown, ()) for own in own_values)
            if shown and not any(same):
                return True
        return False


def _values_of(
    properties: Mapping[str, Json], unique: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the values of unique properties, those of one's own before the e-mail."""
    for name in (*unique, EMAIL):
        value = as_text(properties.get(name))
        if value:
            yield name, value.lower() if name == EMAIL else value


class BatchMatcher:
    """Finds the call that an entry of an answer is about."""

    def __init__(self, inputs: Sequence[BatchCall], unique: Sequence[str]) -> None:
        self._unique = unique
        self._inputs = inputs
        self._by_name: dict[tuple[str, str], BatchCall | None] = {}
        """None for a name that several calls have, which names none of them."""
        for each in inputs:
            for name in dict.fromkeys(each.names(unique)):
                is_shared = name in self._by_name
                self._by_name[name] = None if is_shared else each

    def results(self, answer: BatchAnswer) -> dict[str, HubSpotObject]:
        """Return the contacts in an answer by the trace of their call.

        Where two contacts belong to one call, neither is believed.
        """
        return one_each(self._named(answer))

    def _named(self, answer: BatchAnswer) -> Iterator[tuple[str, HubSpotObject]]:
        """Yield the contacts in an answer with the trace of their call."""
        for contact in answer.contacts:
            each = self._called(contact)
            if each is not None:
                yield each.trace, contact

    def errors(self, answer: BatchAnswer) -> dict[str, HubSpotError]:
        """Return the refusals in an answer by the trace of their call."""
        found: dict[str, HubSpotError] = {}
        for error in answer.errors:
            if not error.judges:
                continue
            names = [(_TRACE, trace) for trace in error.named("objectWriteTraceId")]
            names += [("id", each) for each in error.named("ids")]
            for name in names:
                each = self._by_name.get(name)
                if each is not None:
                    found[each.trace] = error
        return found

    def _called(self, contact: HubSpotObject) -> BatchCall | None:
        """Return the call that a contact is the result of; None: of none for certain."""
        if contact.trace_id is not None:
            each = self._by_name.get((_TRACE, contact.trace_id))
        else:
            each = self._called_by_value(contact)
        if each is None or each.is_contradicted_by(contact, self._unique):
            return None
        return each

    def _called_by_value(self, contact: HubSpotObject) -> BatchCall | None:
        names = [("id", contact.id), *_values_of(contact.properties, self._unique)]
        for name in names:
            if name in self._by_name:
                return self._by_name[name]
        # Where one contact was sent, no other one can be meant.
        return self._inputs[0] if len(self._inputs) == 1 else None


@dataclass(frozen=True, slots=True)
class BatchSender:
    """Sends calls of one kind about many contacts."""

    requests: HubSpotRequests
    look_ups: LookUps
    view: ContactView
    settings: HubSpotSettings
    unique: tuple[str, ...]
    """The unique properties of the account's own."""

    def write(
        self, endpoint: str, inputs: Sequence[BatchCall]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Send creates, updates or upserts; see ``BulkVendor.send_many``."""
        bodies = [self._body(endpoint, each) for each in inputs]
        request = self.requests.batch(endpoint, bodies)
        reply = yield from ask(request)
        if not reply.ok:
            existing = yield from self._existing_of_one(inputs, reply)
            if existing:
                return existing
            calls = [each.call for each in inputs]
            return self.refused(request, reply, calls)
        answer = parse_batch(request, reply)
        return (yield from self._results(request, answer, inputs))

    def refused(
        self, request: Request, reply: Reply, calls: Sequence[Call]
    ) -> Sequence[CallResult] | Rejected:
        """Return the refusal of a request as a whole.

        Where a part of it may have been carried out, it says nothing of any call. Raises
        VendorUnavailable where the contacts are not what was refused.
        """
        is_about_contacts = reply.status in _REFUSED_AS_A_WHOLE
        is_create = calls[0].action is Action.CREATE
        is_whole = is_create or self.settings.refused_batches == "nothing"
        if len(calls) == 1 or (is_about_contacts and is_whole):
            return refusal(request, reply, calls)
        if is_about_contacts:
            return ()
        raise VendorUnavailable(
            f"{request.route}: the batch was refused (status {reply.status}), and a "
            "part of it may have been carried out",
            maybe_applied=True,
            status=reply.status,
        )

    def _existing_of_one(
        self, inputs: Sequence[BatchCall], reply: Reply
    ) -> Exchange[Sequence[CallResult]]:
        """Return whom a refused write of one contact ran into; empty where nobody."""
        if len(inputs) > 1:
            return ()
        category = CONFLICT if reply.status == 409 else ""
        error = HubSpotError(category=category, message=words(reply.body))
        each = inputs[0]
        if not _ran_into(each.call, error):
            return ()
        answers = yield from self._existing([(each, error)])
        return [CallResult(each.call, answer) for answer in answers.values()]

    def _body(self, endpoint: str, each: BatchCall) -> Json:
        """Return what a request says about one contact."""
        body: dict[str, Json] = {"properties": each.properties}
        if self.settings.trace_ids:
            body["objectWriteTraceId"] = each.trace
        if endpoint == "update":
            body["id"] = external_id_of(each.call)
        elif endpoint == "upsert":
            key = upsert_key(each.call)
            body |= {"idProperty": key.field, "id": key.value}
        return body

    def _results(
        self, request: Request, answer: BatchAnswer, inputs: Sequence[BatchCall]
    ) -> Exchange[Sequence[CallResult]]:
        """Return the results of the calls that an answer names."""
        matcher = BatchMatcher(inputs, self.unique)
        contacts, errors = matcher.results(answer), matcher.errors(answer)
        # A contact that is said to be written, and refused as well, is unknown.
        contradictory = contacts.keys() & errors.keys()
        answers: dict[str, Answer] = {}
        conflicts: list[tuple[BatchCall, HubSpotError]] = []
        texts: dict[int, Rejected] = {}
        for each in inputs:
            trace = each.trace
            if trace in contradictory:
                continue
            if trace in contacts:
                answers[trace] = self.applied(each.call, contacts[trace])
            elif trace in errors:
                error = errors[trace]
                if id(error) not in texts:
                    texts[id(error)] = _rejection(request, error, inputs)
                answers[trace] = texts[id(error)]
                if _ran_into(each.call, error):
                    conflicts.append((each, error))
        if conflicts:
            yield from self._judge_conflicts(conflicts, answers)
        return [
            CallResult(each.call, answers[each.trace])
            for each in inputs
            if each.trace in answers
        ]

    def _judge_conflicts(
        self,
        conflicts: Sequence[tuple[BatchCall, HubSpotError]],
        answers: dict[str, Answer],
    ) -> Exchange[None]:
        """Look up whom some writes ran into, and put that into the answers of all."""
        try:
            answers |= yield from self._existing(conflicts)
        except (VendorThrottled, VendorUnavailable):
            if len(conflicts) == len(answers):
                raise
            # What became of the others is told, and stays so: only those in conflict
            # are left open.
            for each, _ in conflicts:
                del answers[each.trace]

    def applied(self, call: Call, contact: HubSpotObject) -> Applied:
        return Applied(contact.id, dropped=self.view.shortfalls(call, contact))

    def _existing(
        self, conflicts: Sequence[tuple[BatchCall, HubSpotError]]
    ) -> Exchange[dict[str, Answer]]:
        """Return the contacts that writes ran into, by the trace of each write.

        A write whose contact is not shown stays rejected, with the vendor's words.
        """
        ids: dict[str, str] = {}
        for each, error in conflicts:
            named = existing_id(error.message)
            if each.call.action is Action.UPSERT:
                # The contact with its key counts, if there is one, and the one named may
                # be that of another value.
                continue
            if named is not None and named != each.call.external_id:
                ids[each.trace] = named
        found: dict[str, Answer] = {}
        if ids:
            shown = yield from self.look_ups.by_ids(tuple(dict.fromkeys(ids.values())))
            for trace, named in ids.items():
                contact = shown.get(named)
                if contact is not None:
                    found[trace] = Exists(self.view.remote(contact))
        unnamed = [each for each, _ in conflicts if each.trace not in ids]
        if unnamed:
            found |= yield from self._holders(unnamed)
        return found

    def _holders(self, writes: Sequence[BatchCall]) -> Exchange[dict[str, Answer]]:
        """Return the contacts that have a unique value of the writes, by their trace."""
        found: dict[str, Answer] = {}
        calls = {each.trace: each.call for each in writes}
        for name in dict.fromkeys((*self.unique, EMAIL)):
            keys = {
                each.trace: MatchKey(name, as_text(each.properties.get(name)))
                for each in writes
                if each.trace not in found and each.properties.get(name)
            }
            unique_keys = tuple(dict.fromkeys(keys.values()))
            shown = yield from self.look_ups.by_keys(unique_keys)
            for trace, key in keys.items():
                remote = another(shown.get(key, ()), calls[trace].external_id)
                if remote is not None:
                    found[trace] = Exists(remote)
        return found


def upsert_key(call: Call) -> MatchKey:
    """Return the key of an upsert. Raises ValueError for one without."""
    if call.key is None:
        raise ValueError("upsert needs the key it goes by")
    return call.key


def _rejection(
    request: Request, error: HubSpotError, inputs: Sequence[BatchCall]
) -> Rejected:
    """Return the refusal of one contact among others."""
    reply = Reply(error.status, None)
    calls = [each.call for each in inputs]
    return rejected(request, reply, error.message, [error.context], calls)


def _ran_into(call: Call, error: HubSpotError) -> bool:
    """Return whether a write was refused because another contact is in its way."""
    may_run_into = call.action in (Action.CREATE, Action.UPSERT, Action.UPDATE)
    return may_run_into and is_conflict(error.status, error.message)


def another(remotes: Iterable[Remote], own_id: str | None) -> Remote | None:
    """Return the first contact that is not the one with an id; None: there is none."""
    for remote in remotes:
        if remote.external_id != own_id:
            return remote
    return None
