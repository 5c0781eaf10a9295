"""The adapter: calls to HubSpot's requests, and its answers to results."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from syncengine.vendor import (
    LISTS,
    Action,
    Answer,
    Applied,
    Bulk,
    Call,
    CallResult,
    Capabilities,
    ContactMapping,
    Cost,
    Deletion,
    Exchange,
    Exists,
    Json,
    ListCall,
    MappingProblem,
    MatchKey,
    Page,
    Rejected,
    Remote,
    Reply,
    Request,
    TagCall,
    VendorUnavailable,
    Write,
    as_text,
    check_call,
    exactly,
    external_id_of,
    failed_look_up,
    no_request,
    none_if_refused,
    parse_reply,
    probe_with,
    sent_values_in,
)
from syncengine.vendors.hubspot.answers import (
    HubSpotListsOf,
    HubSpotMemberships,
    HubSpotObject,
    HubSpotPage,
    ask,
    ask_for_nothing,
    existing_id,
    is_conflict,
    judge_answer,
    refusal,
    words,
)
from syncengine.vendors.hubspot.batches import (
    BatchCall,
    BatchSender,
    another,
    upsert_key,
)
from syncengine.vendors.hubspot.look_ups import ADDRESS_OR_TOKEN, LookUps
from syncengine.vendors.hubspot.properties import PropertyDefinitions, problems_of
from syncengine.vendors.hubspot.requests import HubSpotRequests
from syncengine.vendors.hubspot.settings import EMAIL, HubSpotSettings, own_unique
from syncengine.vendors.hubspot.values import SEPARATOR, written
from syncengine.vendors.hubspot.views import USUAL_FIELDS, view_of

_CAUTION = (
    "new contacts may set off workflows of the account, and may count as marketing "
    "contacts, which cost money"
)
_ENDPOINTS = {Action.CREATE: "create", Action.UPSERT: "upsert", Action.UPDATE: "update"}
_TAGS = "tags"
"""The group of tag calls that read and write all tags: they may share a batch."""
_UPDATES = "updates"


class HubSpot:
    """Adapter for HubSpot; it takes, lists, merges and describes many contacts.

    See ``Vendor``, ``BulkVendor``, ``Directory``, ``Merger``, ``DetailReader``,
    ``RequestCosts``, ``SimilarPhoneFinder``, ``FieldChooser`` and ``MappingChecker`` in
    ``syncengine.vendor``.
    """

    name = "hubspot"

    def __init__(
        self, settings: HubSpotSettings, fields: Collection[str] = USUAL_FIELDS
    ) -> None:
        self._settings = settings
        self._unique = own_unique(settings.unique_properties)
        self._requests = HubSpotRequests(settings)
        self._view = view_of(settings, fields)
        self._look_ups = LookUps(
            self._requests, self._view, settings.read_misses == "absent"
        )
        self._batches = BatchSender(
            self._requests, self._look_ups, self._view, settings, self._unique
        )
        self.capabilities = _capabilities(settings)

    def showing(self, fields: Collection[str]) -> HubSpot:
        return HubSpot(self._settings, fields)

    # --- reading ----------------------------------------------------------------------

    def probe(self) -> Exchange[bool]:
        request = self._requests.properties()
        return probe_with(request, ADDRESS_OR_TOKEN, PropertyDefinitions, judge_answer)

    def mapping_problems(
        self, mapping: ContactMapping
    ) -> Exchange[Sequence[MappingProblem]]:
        request = self._requests.properties()
        reply = yield from ask(request, ADDRESS_OR_TOKEN)
        if not reply.ok:
            raise failed_look_up(request, reply, words(reply.body), ())
        defined = parse_reply(request, reply, PropertyDefinitions)
        return tuple(problems_of(mapping, self._settings, defined))

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        return self._look_ups.by_key(key)

    def find_many(
        self, keys: Sequence[MatchKey]
    ) -> Exchange[Mapping[MatchKey, Sequence[Remote]]]:
        return self._look_ups.by_keys(keys)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        if key.field not in self._settings.phone_properties:
            return no_request(())
        return self._look_ups.by_similar_phone(key)

    def look_up_cost(self, key: MatchKey) -> Cost:
        if key.field in self._settings.phone_properties:
            # Whom the search names is read again.
            return Cost(1, 1, 2)
        return exactly(1)

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002
        return 0

    def read(self, external_id: str) -> Exchange[Remote | None]:
        contact = yield from self._contact(external_id)
        return None if contact is None else self._view.remote(contact)

    def read_many(
        self, external_ids: Sequence[str]
    ) -> Exchange[Mapping[str, Remote | None]]:
        contacts = yield from self._look_ups.by_ids(external_ids)
        return {
            external_id: None if contact is None else self._view.remote(contact)
            for external_id, contact in contacts.items()
        }

    def page(self, cursor: str | None) -> Exchange[Page]:
        request = self._requests.page(cursor, self._view.asked)
        reply = yield from ask(request, ADDRESS_OR_TOKEN)
        if not reply.ok:
            raise failed_look_up(request, reply, words(reply.body), ())
        page = parse_reply(request, reply, HubSpotPage)
        contacts = tuple(map(self._view.remote, page.results))
        return Page(contacts, page.cursor)

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        """Return the lists that a contact is in; nothing if it is gone."""
        request = self._requests.lists_of(external_id)
        reply = yield from ask(request)
        if reply.not_found:
            return {}
        if not reply.ok:
            raise failed_look_up(request, reply, words(reply.body), ())
        return {"lists": parse_reply(request, reply, HubSpotListsOf).results}

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        return self._view.same(field, ours, theirs)

    # --- writing ----------------------------------------------------------------------

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        refused = _unsendable(call)
        if refused is not None:
            return no_request(refused)
        match call.action:
            case Action.CREATE:
                exchange = self._create(call)
            case Action.UPSERT:
                exchange = self._upsert(call)
            case Action.DELETE:
                exchange = self._delete(call)
            case Action.JOIN_LISTS | Action.LEAVE_LISTS:
                exchange = self._change_list(call)
            case _ if self._rewrites_tags(call):
                exchange = self._rewrite_tags(call)
            case _:
                exchange = self._update(call, self._properties(call))
        return exchange

    def send_many(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        for call in calls:
            check_call(call, self.capabilities)
        if len(calls) == 1:
            answer = yield from self.send(calls[0])
            return [CallResult(calls[0], answer)]
        refused: list[CallResult] = []
        sendable: list[Call] = []
        for call in calls:
            refusal_of_ours = _unsendable(call)
            if refusal_of_ours is None:
                sendable.append(call)
            else:
                refused.append(CallResult(call, refusal_of_ours))
        if not sendable:
            return refused
        results = yield from self._send_batch(sendable)
        if isinstance(results, Rejected):
            return results
        return [*refused, *results]

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        """Merge two contacts; HubSpot gives the one that is left an id of its own."""
        request = self._requests.merge(into, other)
        reply = yield from ask(request)
        if not reply.ok:
            return refusal(request, reply, ())
        return Applied(parse_reply(request, reply, HubSpotObject).id)

    def _send_batch(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Send calls that may share a request; see ``send_many``."""
        action = calls[0].action
        if action is Action.DELETE:
            return (yield from self._archive(calls))
        if action in (Action.JOIN_LISTS, Action.LEAVE_LISTS):
            return (yield from self._change_lists(calls))
        if self._rewrites_tags(calls[0]):
            return (yield from self._rewrite_many(calls))
        inputs = [
            BatchCall(call, str(number), self._properties(call))
            for number, call in enumerate(calls)
        ]
        return (
            yield from self._batches.write(_ENDPOINTS.get(action, "update"), inputs)
        )

    def _create(self, call: Call) -> Exchange[Answer]:
        request = self._requests.create({"properties": self._properties(call)})
        reply = yield from ask(request)
        if reply.ok:
            contact = parse_reply(request, reply, HubSpotObject)
            return self._batches.applied(call, contact)
        return (yield from self._refused_write(call, request, reply))

    def _refused_write(
        self, call: Call, request: Request, reply: Reply
    ) -> Exchange[Answer]:
        """Return the answer to a refused write: another contact may be in its way."""
        said = words(reply.body)
        if is_conflict(reply.status, said):
            remote = yield from self._holder(call, existing_id(said))
            if remote is not None:
                return Exists(remote)
        return refusal(request, reply, (call,))

    def _holder(self, call: Call, named: str | None) -> Exchange[Remote | None]:
        """Return the contact that a write ran into, as far as HubSpot shows it."""
        if named is not None and named != call.external_id:
            return (yield from none_if_refused(self.read(named)))
        for name in dict.fromkeys((*self._unique, EMAIL)):
            value = as_text(call.fields.get(name))
            if not value:
                continue
            key = MatchKey(name, value)
            found = yield from none_if_refused(self._look_ups.by_keys((key,)))
            remote = another((found or {}).get(key, ()), call.external_id)
            if remote is not None:
                return remote
        return None

    def _update(self, call: Call, properties: Mapping[str, Json]) -> Exchange[Answer]:
        body = {"properties": properties}
        request = self._requests.one("PATCH", external_id_of(call), body)
        reply = yield from ask(request)
        if not reply.ok:
            return (yield from self._refused_write(call, request, reply))
        contact = parse_reply(request, reply, HubSpotObject)
        return self._batches.applied(call, contact)

    def _upsert(self, call: Call) -> Exchange[Answer]:
        """Upsert one contact, for which HubSpot has the batch alone."""
        upsert_key(call)
        each = BatchCall(call, "0", self._properties(call))
        results = yield from self._batches.write("upsert", [each])
        if isinstance(results, Rejected):
            return results
        if not results:
            route = self._requests.batch("upsert", ()).route
            raise VendorUnavailable(
                f"{route}: the answer does not name the contact, which may have been "
                "written all the same",
                maybe_applied=True,
            )
        return results[0].answer

    def _delete(self, call: Call) -> Exchange[Answer]:
        """Delete a contact, which is read first.

        HubSpot may answer alike for one that is not there, and a former id leads to the
        contact that it was merged into.
        """
        contact = external_id_of(call)
        answer = yield from self._before_deleting(call)
        if answer is not None:
            return answer
        if self._settings.delete_as == "gdpr":
            request = self._requests.erase(contact)
        else:
            request = self._requests.one("DELETE", contact)
        reply = yield from ask_for_nothing(request)
        if reply.not_found:
            return Applied(was_gone=True)
        if not reply.ok:
            return refusal(request, reply, (call,))
        return Applied()

    def _before_deleting(self, call: Call) -> Exchange[Answer | None]:
        """Return the answer to a deletion that is not to be sent; None where it is."""
        request = self._requests.read(external_id_of(call), self._view.asked)
        reply = yield from ask(request)
        if reply.not_found:
            return Applied(was_gone=True)
        if not reply.ok:
            return refusal(request, reply, (call,))
        return _answer_to_deletion(call, parse_reply(request, reply, HubSpotObject))

    def _archive(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Archive those of many contacts that are there."""
        ids = [external_id_of(call) for call in calls]
        contacts = yield from self._look_ups.by_ids(ids)
        results: list[CallResult] = []
        archived: list[Call] = []
        for call, contact_id in zip(calls, ids, strict=True):
            if contact_id not in contacts:
                # Nothing was sent about it, and nothing is known of it.
                continue
            answer = _answer_to_deletion(call, contacts[contact_id])
            if answer is None:
                archived.append(call)
            else:
                results.append(CallResult(call, answer))
        if not archived:
            return results
        inputs = [{"id": external_id_of(call)} for call in archived]
        request = self._requests.batch("archive", inputs)
        reply = yield from ask_for_nothing(request)
        if not reply.ok:
            return self._batches.refused(request, reply, archived)
        return [*results, *(CallResult(call, Applied()) for call in archived)]

    # --- lists ------------------------------------------------------------------------

    def _change_list(self, call: Call) -> Exchange[Answer]:
        results = yield from self._change_lists((call,))
        if isinstance(results, Rejected):
            return results
        return results[0].answer

    def _change_lists(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Have contacts join or leave the one list that all the calls carry."""
        list_id = _list_of(calls[0])
        change = "add" if calls[0].action is Action.JOIN_LISTS else "remove"
        contacts = [external_id_of(call) for call in calls]
        request = self._requests.change_list(list_id, change, contacts)
        reply = yield from ask(request)
        if not reply.ok:
            return _refused_list(request, reply, calls)
        missing = parse_reply(request, reply, HubSpotMemberships).missing
        return [
            CallResult(call, _member(request, external_id_of(call), missing))
            for call in calls
        ]

    # --- tags -------------------------------------------------------------------------

    def _rewrites_tags(self, call: Call) -> bool:
        """Return whether a call takes reading all tags, and writing them anew."""
        if call.action is Action.REMOVE_TAGS:
            return True
        return call.action is Action.ADD_TAGS and self._settings.tags_by == "rewrite"

    def _rewrite_tags(self, call: Call) -> Exchange[Answer]:
        request = self._requests.read(external_id_of(call), self._view.asked)
        reply = yield from ask(request)
        if not reply.ok:
            return refusal(request, reply, (call,))
        contact = parse_reply(request, reply, HubSpotObject)
        answer = self._before_rewriting(call, contact)
        if answer is not None:
            return answer
        return (yield from self._update(call, self._rewritten(call, contact)))

    def _rewrite_many(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Read the tags of many contacts, and write those that change."""
        ids = [external_id_of(call) for call in calls]
        contacts = yield from self._look_ups.by_ids(ids, sent_values_in(calls))
        results: list[CallResult] = []
        inputs: list[BatchCall] = []
        for number, call in enumerate(calls):
            contact_id = external_id_of(call)
            if contact_id not in contacts:
                # Nothing was sent about it, and nothing is known of it.
                continue
            contact = contacts[contact_id]
            answer = self._before_rewriting(call, contact)
            if answer is not None:
                results.append(CallResult(call, answer))
            elif contact is not None:
                properties = self._rewritten(call, contact)
                inputs.append(BatchCall(call, str(number), properties))
        if not inputs:
            return results
        written_results = yield from self._batches.write("update", inputs)
        if isinstance(written_results, Rejected):
            return written_results
        return [*results, *written_results]

    def _before_rewriting(
        self, call: Call, contact: HubSpotObject | None
    ) -> Answer | None:
        """Return the answer to a tag call that needs no write, or may not have one."""
        if contact is None or contact.archived:
            return Rejected(
                "not_found",
                f"the vendor has no contact {call.external_id}; nothing was sent",
                status=404,
            )
        # The contact of another id is not written to before the engine knows it.
        is_another = contact.id != call.external_id
        if is_another or self._new_tags(call, contact) == self._view.tags_of(contact):
            return Applied(contact.id)
        return None

    def _new_tags(self, call: Call, contact: HubSpotObject) -> frozenset[str]:
        tags = self._view.tags_of(contact)
        return (tags | set(call.add_tags)) - set(call.remove_tags)

    def _rewritten(self, call: Call, contact: HubSpotObject) -> Mapping[str, Json]:
        """Return the property with the tags that a contact is to have."""
        assert self._view.tags is not None, "there are tag calls"
        tags = sorted(self._new_tags(call, contact))
        return {self._view.tags: SEPARATOR.join(tags)}

    # --- parts ------------------------------------------------------------------------

    def _contact(self, external_id: str) -> Exchange[HubSpotObject | None]:
        """Read a contact; None where it is not there, or is archived."""
        request = self._requests.read(external_id, self._view.asked)
        reply = yield from ask(request)
        if reply.not_found:
            return None
        if not reply.ok:
            raise failed_look_up(request, reply, words(reply.body), ())
        contact = parse_reply(request, reply, HubSpotObject)
        return None if contact.archived else contact

    def _properties(self, call: Call) -> dict[str, Json]:
        """Return the properties of a write, as texts."""
        properties: dict[str, Json] = {
            name: written(value) for name, value in call.fields.items()
        }
        if call.action is Action.UPSERT:
            # An answer is told by it, should the trace id be missing.
            key = upsert_key(call)
            properties.setdefault(key.field, key.value)
        if call.add_tags and self._view.tags is not None:
            tags = SEPARATOR.join(call.add_tags)
            # The leading semicolon adds to the options that are chosen.
            is_new = call.action is Action.CREATE
            properties[self._view.tags] = tags if is_new else SEPARATOR + tags
        return properties


def _unsendable(call: Call) -> Rejected | None:
    """Return the refusal of a call that no property could express."""
    for tag in call.add_tags:
        if SEPARATOR in tag or tag != tag.strip():
            return Rejected(
                "invalid_tag",
                "a tag has a semicolon, or a blank at an end, which the option of a "
                "property cannot have; correct the row",
                by_vendor=False,
            )
    return None


def _capabilities(settings: HubSpotSettings) -> Capabilities:
    unique = own_unique(settings.unique_properties)
    every_unique = tuple(dict.fromkeys((*settings.unique_properties, EMAIL)))
    clears: tuple[str, ...] = ("*",) if settings.clear_with == "empty" else ()
    size = settings.batch_size
    appends = settings.tags_property is not None and settings.tags_by == "append"
    tags_in_writes = None if appends else 0
    deletion = Deletion(requests=2, bulk=Bulk(size))
    if settings.delete_as == "gdpr":
        deletion = Deletion(requests=2, within=settings.erases_within)
    upsert = None
    if settings.upserts and unique:
        upsert = Write(
            clears=clears,
            add_tags=tags_in_writes,
            repeatable=True,
            keyed_by=unique[:1],
            bulk=Bulk(size),
        )
    return Capabilities(
        create=Write(
            add_tags=None if settings.tags_property else 0,
            keyed_by=every_unique,
            bulk=Bulk(size),
        ),
        update=Write(
            clears=clears,
            add_tags=tags_in_writes,
            repeatable=True,
            unique=every_unique,
            bulk=Bulk(size, _UPDATES if appends else ""),
        ),
        upsert=upsert,
        add_tags=_adding(settings),
        remove_tags=_removing(settings),
        delete=deletion,
        join_lists=ListCall(bulk=Bulk(size)),
        leave_lists=ListCall(bulk=Bulk(size)),
        find_by=(*settings.unique_properties, *settings.phone_properties),
        find_many=size,
        read_many=size,
        respelled=settings.phone_properties,
        merges=True,
        hidden=(f"{LISTS}*",),
        opt_outs=settings.kept_opt_outs(),
        settles_within=settings.settles_within,
        cautions=(_CAUTION,),
    )


def _adding(settings: HubSpotSettings) -> TagCall | None:
    if settings.tags_property is None:
        return None
    if settings.tags_by == "append":
        return TagCall(bulk=Bulk(settings.batch_size, _UPDATES))
    return TagCall(requests=2, bulk=Bulk(settings.batch_size, _TAGS))


def _removing(settings: HubSpotSettings) -> TagCall | None:
    if settings.tags_property is None:
        return None
    return TagCall(requests=2, bulk=Bulk(settings.batch_size, _TAGS))


def _answer_to_deletion(call: Call, contact: HubSpotObject | None) -> Answer | None:
    """Return the answer to a deletion that is not to be sent; None where it is."""
    if contact is None or contact.archived:
        return Applied(was_gone=True)
    if contact.id != call.external_id:
        # Another contact is not deleted under a former id.
        return Applied(contact.id)
    return None


def _list_of(call: Call) -> str:
    """Return the id of the list that a call carries."""
    return next(name for name in call.fields if name.startswith(LISTS)).removeprefix(
        LISTS
    )


def _member(request: Request, contact: str, missing: Sequence[str]) -> Answer:
    """Return the answer about one contact that was to join or leave a list."""
    if contact not in missing:
        return Applied()
    return Rejected(
        "not_found",
        f"{request.route}: the vendor has no contact {contact}, so that no list was "
        "changed",
        status=404,
    )


def _refused_list(
    request: Request, reply: Reply, calls: Sequence[Call]
) -> Sequence[CallResult] | Rejected:
    """Return the refusal of a list: it is about every contact alike.

    Any other refusal may be about one of the contacts.
    """
    refused = refusal(request, reply, calls)
    if len(calls) > 1 and not reply.not_found:
        return refused
    if reply.not_found:
        code = f"http_{reply.status}"
        refused = Rejected(
            code, refused.message, status=refused.status, words=refused.words
        )
    return [CallResult(call, refused) for call in calls]
