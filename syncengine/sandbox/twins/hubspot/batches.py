"""Batches of HubSpot: a hundred contacts in one request.

A batch of writes is checked whole before anything is changed. What is wrong with one
contact fails the batch as a whole, unless each input has a trace id of its own: then
the others are carried out, and the answer is 207 with results and errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from syncengine.model.http import Json, Response
from syncengine.sandbox.twins.hubspot.properties import EMAIL
from syncengine.sandbox.twins.hubspot.store import HubSpotContact, HubSpotStore
from syncengine.sandbox.twins.hubspot.switches import BatchWrite
from syncengine.sandbox.twins.hubspot.wire import (
    NOT_FOUND,
    BatchInput,
    have_traces,
    inputs_of,
    invalid_request,
    not_found,
)
from syncengine.sandbox.twins.kit.answers import TwinRefusalError, answer, iso_time
from syncengine.sandbox.twins.kit.fields import is_text

NO_CONTENT = Response(204, {}, b"")


@dataclass(frozen=True, slots=True)
class _PlannedWrite:
    """What an input does, once it is carried out."""

    contact: HubSpotContact | None
    """The contact that it changes; None: it makes one."""
    changes: dict[str, str]


@dataclass(slots=True)
class _Plan:
    """What a batch does."""

    writes: list[tuple[BatchInput, _PlannedWrite]] = field(default_factory=list)
    refusals: list[tuple[BatchInput, TwinRefusalError]] = field(default_factory=list)
    claimed: dict[tuple[str, str], str | None] = field(default_factory=dict)
    """Unique values that inputs of this batch are to give their contacts."""


class HubSpotBatches:
    """Carries batches out on a store; ``shuffle`` is the generator of their order."""

    def __init__(self, store: HubSpotStore) -> None:
        self._store = store
        self.shuffle = Random(store.switches.seed)  # noqa: S311 - no secret

    # --- writes -----------------------------------------------------------------------

    def create(self, body: Mapping[str, Json], now: float) -> Response:
        inputs = inputs_of(body, named=False)
        return self._write("create", inputs, self._created, now)

    def update(self, body: Mapping[str, Json], now: float) -> Response:
        inputs = self._named_once(inputs_of(body))
        for each in inputs:
            # Observed for the e-mail, whatever the contact.
            if each.key == EMAIL:
                raise _not_unique(EMAIL)
        return self._write("update", inputs, self._updated, now)

    def upsert(self, body: Mapping[str, Json], now: float) -> Response:
        inputs = self._named_once(inputs_of(body))
        return self._write("upsert", inputs, self._upserted, now)

    def _write(
        self,
        kind: BatchWrite,
        inputs: Sequence[BatchInput],
        plan_one: Callable[[BatchInput], _PlannedWrite | None],
        now: float,
    ) -> Response:
        """Check all inputs, then carry out those that may be."""
        plan = _Plan()
        for each in inputs:
            self._plan(plan, each, plan_one)
        in_parts = (
            have_traces(inputs) and kind not in self._store.switches.whole_batches
        )
        if plan.refusals and not in_parts:
            # Found: the answer names the first mistake alone.
            _, first = plan.refusals[0]
            raise TwinRefusalError(409 if first.status == 409 else 400, first.content)
        results = []
        for each, write in plan.writes:
            result = self._carried_out(write, now)
            if self._store.switches.trace_echo and each.trace is not None:
                result["objectWriteTraceId"] = each.trace
            if kind == "upsert":
                result["new"] = write.contact is None
            results.append(result)
        errors = [_error_of(each, refusal) for each, refusal in plan.refusals]
        return self._answer(results, errors, now, done=201 if kind == "create" else 200)

    def _plan(
        self,
        plan: _Plan,
        given: BatchInput,
        plan_one: Callable[[BatchInput], _PlannedWrite | None],
    ) -> None:
        """Add one input to a plan, as a write or as a refusal."""
        try:
            write = plan_one(given)
            if write is None:
                return
            self._store.check_required(write.contact, write.changes)
            self._store.check_unique(write.contact, write.changes, plan.claimed)
        except TwinRefusalError as refusal:
            plan.refusals.append((given, refusal))
            return
        for name, value in write.changes.items():
            if value and self._store.account.contacts.is_unique(name):
                plan.claimed[name, value] = given.trace
        plan.writes.append((given, write))

    def _created(self, given: BatchInput) -> _PlannedWrite:
        changes = self._store.changes(None, given.properties, in_batch=True)
        return _PlannedWrite(None, changes)

    def _updated(self, given: BatchInput) -> _PlannedWrite | None:
        """Return the update that an input asks for; None: it does nothing."""
        is_email = given.key is None and "@" in given.id
        if is_email and self._store.switches.update_by_email == "noop":
            return None
        if is_email:
            raise _not_unique(EMAIL)
        contact = self._store.find(given.key, given.id)
        if contact is None:
            raise not_found(given.id)
        changes = self._store.changes(contact, given.properties, in_batch=True)
        return _PlannedWrite(contact, changes)

    def _upserted(self, given: BatchInput) -> _PlannedWrite:
        """Return the create or the update that an input asks for."""
        key = given.key
        if key is None:
            raise invalid_request("inputs: idProperty is missing")
        contact = self._store.find(key, given.id)
        changes = self._store.changes(contact, given.properties, in_batch=True)
        if contact is None:
            if self._store.switches.upsert_sets_key:
                own = self._store.changes(None, {key: given.id}, in_batch=True)
                changes = {**own, **changes}
            return _PlannedWrite(None, changes)
        if key == EMAIL:
            changes = {**self._left_out(contact, changes), **changes}
        return _PlannedWrite(contact, changes)

    def _left_out(
        self, contact: HubSpotContact, changes: Mapping[str, str]
    ) -> dict[str, str]:
        """Return what an upsert by e-mail does to the properties that it leaves out.

        Documented: such an upsert has to be whole. Raises TwinRefusalError where the
        switch refuses one that is not.
        """
        emptied = {}
        for name in contact.values:
            definition = self._store.properties.get(name)
            is_writable = definition is not None and not definition.read_only
            if is_writable and name != EMAIL and name not in changes:
                emptied[name] = ""
        if emptied and self._store.switches.email_upsert_partial == "400":
            raise invalid_request("Partial upserts are not supported by email")
        return emptied

    def _carried_out(self, write: _PlannedWrite, now: float) -> dict[str, Json]:
        """Carry a write out; return the contact as the answer shows it."""
        contact = write.contact
        if contact is None:
            contact = self._store.make(write.changes, now)
        else:
            self._store.write(contact, write.changes, now)
        return self.written(contact, write.changes)

    def written(
        self, contact: HubSpotContact, changes: Mapping[str, str]
    ) -> dict[str, Json]:
        """Return a contact as the answer to a write shows it."""
        if self._store.switches.write_answers == "written":
            return contact.shown(changes)
        return contact.shown(self._store.all_names())

    def _named_once(self, inputs: Sequence[BatchInput]) -> list[BatchInput]:
        """Return the inputs, each contact once. Raises TwinRefusalError."""
        keys = {each.key for each in inputs}
        if len(keys) > 1 and self._store.switches.mixed_keys == "400":
            raise invalid_request("inputs: different idProperty in one batch")
        by_name = {
            (each.key, each.id.lower() if each.key == EMAIL else each.id): each
            for each in inputs
        }
        if len(by_name) < len(inputs) and self._store.switches.repeated_id == "400":
            raise invalid_request("Duplicate IDs found in batch input")
        return list(by_name.values())

    # --- reads, archive ---------------------------------------------------------------

    def read(self, body: Mapping[str, Json], now: float, *, archived: bool) -> Response:
        """Read contacts; those that are not there are errors of a 207."""
        inputs = self._named_once(inputs_of(body))
        names = body.get("properties") or ()
        results = []
        missing = []
        for each in inputs:
            contact = self.readable(each.key, each.id, now, archived=archived)
            if contact is None:
                missing.append(each.id)
            else:
                results.append(self._store.shown(contact, names))
        return self._answer(results, self._missing_errors(missing), now, done=200)

    def readable(
        self, key: str | None, value: str, now: float, *, archived: bool = False
    ) -> HubSpotContact | None:
        """Return a contact that reads find, or None."""
        if archived:
            return self._store.account.contacts.archived.get(value)
        contact = self._store.find(key, value)
        if contact is None or contact.readable > now:
            return None
        return contact

    def _missing_errors(self, missing: Sequence[str]) -> list[Json]:
        if not missing:
            return []
        context = {"ids": list(missing)} if self._store.switches.not_found_ids else {}
        message = (
            "Could not get some CONTACT objects, they may be deleted or not exist. "
            "Check that ids are valid."
        )
        return [_error(NOT_FOUND, message, context)]

    def archive(self, body: Mapping[str, Json], now: float) -> Response:
        """Archive contacts; the answer tells nothing of them (documented)."""
        contacts = [self._store.get(each.id) for each in inputs_of(body)]
        if None in contacts and self._store.switches.archive_gone == "404":
            raise not_found("")
        # By their ids: two ids from before a merge may lead to one contact.
        for each in {each.id: each for each in contacts if each}.values():
            self._store.archive(each, now)
        return NO_CONTENT

    # --- answers ----------------------------------------------------------------------

    def _answer(
        self,
        results: list[dict[str, Json]],
        errors: Sequence[Json],
        now: float,
        *,
        done: int,
    ) -> Response:
        """Return the answer to a batch, in no particular order (documented)."""
        if self._store.switches.results_order == "shuffled":
            self.shuffle.shuffle(results)
        at = iso_time(now)
        body: dict[str, Json] = {
            "status": "COMPLETE",
            "results": results,
            "requestedAt": at,
            "startedAt": at,
            "completedAt": at,
        }
        if not errors:
            return answer(done, body)
        body["numErrors"] = len(errors)
        body["errors"] = list(errors)
        return answer(207, body)


def _not_unique(name: str) -> TwinRefusalError:
    return invalid_request(
        f"Unable to perform update/upsert by non-unique 0-1 property: {name}"
    )


def _error_of(given: BatchInput, refusal: TwinRefusalError) -> Json:
    """Return the entry of a 207 for one input."""
    context = dict(refusal.content.get("context", {}))
    if is_text(given.trace):
        context["objectWriteTraceId"] = [given.trace]
    return _error(refusal.content["category"], refusal.content["message"], context)


def _error(category: str, message: str, context: Mapping[str, Json]) -> Json:
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": dict(context),
        "errors": [],
        "links": {},
    }
