"""The API of DM Champ.

Its traps for an adapter: a success may be an error (200 with ``success: false``), what
is left out of a create becomes data such as "Unknown", an update can take back the
opt-out of a person, and tags can only be added.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.dm_champ.screen import DmChampScreen
from syncengine.sandbox.twins.dm_champ.store import DmChampStore
from syncengine.sandbox.twins.dm_champ.switches import DmChampSwitches
from syncengine.sandbox.twins.dm_champ.wire import (
    CHANGEABLE,
    DEFAULTS,
    NULLABLE,
    DmChampContact,
    body_of,
    checked,
    id_answer,
    invalid_value,
    lists_of,
    missing_parameter,
    phone_of,
    tag_objects,
)
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    html_page,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.fields import filled, is_text, picked
from syncengine.sandbox.twins.kit.requests import TwinRoutes, query_of
from syncengine.sandbox.twins.kit.store import is_known
from syncengine.sandbox.twins.twin import TwinRequest

_NO_CONTACT = "Contact not found"
_NO_PAGE = b"<html><body><pre>Cannot find what you asked for</pre></body></html>"


class DmChampTwin(ApiTwin[DmChampStore, DmChampSwitches]):
    """See ``Twin``."""

    # Assumed: the vendor documents no limit at all.
    vendor_limits = (TwinLimit(calls=10, per=1.0, kind="bucket", burst=10),)
    screen_kind = DmChampScreen
    # Documented: nobody can be read by id or deleted, and no tag can be removed.
    routes = TwinRoutes(
        {
            "/contacts": ("GET", "POST"),
            "/contacts/lists": ("POST", "DELETE"),
            "/contacts/tags/{id}": ("GET",),
            "/contacts/messages/{id}": ("GET",),
            "/contacts/{id}": ("PUT",),
            "/tags": ("GET", "POST"),
        },
        prefix="/v1",
    )

    def __init__(self) -> None:
        super().__init__(DmChampStore())

    @property
    def settings(self) -> dict[str, str]:
        return {"api_key": self.switches.api_keys[0]}

    @property
    def sends_retry_after(self) -> bool:
        return self.switches.send_retry_after

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        # Documented: the key is in the query, where logs of others may keep it.
        query = query_of(request)
        has_key = query.get("apiKey") in self.switches.api_keys
        has_user = query.get("userId") in self.switches.user_ids
        if has_key or has_user:
            return None
        return self.refusal(401, "Unauthorized")

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        # Documented: bodies are not uniform; that of 401 is a bare JSON text.
        is_bare_text = status in (401, 429)
        if status == 400 and self.switches.mistakes_as == "text":
            is_bare_text = True
        body: Json
        if is_bare_text:
            body = text
        elif status in (400, 500):
            body = {"error": text}
        else:
            body = {"success": False, "message": text}
        return answer(status, body, retry_header(retry_after))

    def unknown_path(self) -> Response:
        return html_page(404, _NO_PAGE)

    def unknown_method(self) -> Response:
        return html_page(404, _NO_PAGE)

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        body: Json
        match operation:
            case "GET /contacts":
                return self._find(query_of(request))
            case "POST /contacts":
                return self._create(body_of(request), now)
            case "PUT /contacts/{id}":
                contact = self._contact(parts[0])
                body = self._update(contact, body_of(request))
            case "POST /contacts/lists":
                body = self._change_membership(body_of(request), joins=True)
            case "DELETE /contacts/lists":
                body = self._change_membership(body_of(request), joins=False)
            case "GET /contacts/tags/{id}":
                contact = self._contact(parts[0])
                body = tag_objects(contact.tags)
            case "GET /contacts/messages/{id}":
                contact = self._contact(parts[0])
                body = list(contact.messages)
            case "GET /tags":
                body = tag_objects(self.store.account.tags)
            case _:
                body = self._add_tag(query_of(request))
        return answer(200, body)

    # --- reads ------------------------------------------------------------------------

    def _find(self, query: Mapping[str, str]) -> Response:
        """Look one contact up, by its phone or else by its e-mail address."""
        phone = query.get("phoneNumber")
        email = query.get("email")
        if not phone and not email:
            raise missing_parameter("phoneNumber or email")
        contact = self.store.find(phone, email)
        if contact is None:
            # Documented is 404; another part of the same API answers 200 with
            # ``success: false``.
            return self.refusal(int(self.switches.no_hit), _NO_CONTACT)
        body: dict[str, Json] = {"success": True, "contactId": contact.id}
        if self.switches.lookup_returns == "full":
            body["contact"] = contact.shown(
                tags_as=self.switches.tags_as, flags_as=self.switches.flags_as
            )
        return answer(200, body)

    def _contact(self, contact_id: str) -> DmChampContact:
        """Return the contact with an id. Raises TwinRefusalError."""
        contact = self.store.account.contacts.get(contact_id)
        if contact is None:
            raise TwinRefusalError(404, _NO_CONTACT)
        return contact

    # --- writes -----------------------------------------------------------------------

    def _create(self, body: Mapping[str, Json], now: float) -> Response:
        """Make a contact, unless one has its phone."""
        phone = phone_of(body, alias=self.switches.accept_phone_alias)
        if not self.switches.store_plus:
            phone = phone.removeprefix("+")
        # Other fields of the body are ignored.
        given = picked(body, (*DEFAULTS, *NULLABLE))
        fields = checked(given, nullable=NULLABLE)
        lists = lists_of(body) if self.switches.lists_in_create else ()
        # Documented: if one of the lists fails, no contact is made.
        for each in lists:
            self._check_list(each)
        # Documented in three ways, all of which agree that no second contact is made.
        existing = self.store.find(phone)
        if existing is not None:
            return self._duplicate(existing)
        fields["phoneNumber"] = phone
        self._check_required(fields, creates=True)
        contact = self.store.make(fields, now)
        contact.lists.update(dict.fromkeys(lists))
        if self.switches.custom_fields != "drop":
            contact.custom.update(body.get("custom_fields") or {})
        message = "Successfully created new contact"
        return answer(200, id_answer(contact.id, self.switches.id_place, message))

    def _duplicate(self, existing: DmChampContact) -> Response:
        """Return the answer to a create whose phone is there."""
        message = "Contact already exists"
        match self.switches.duplicate_mode:
            case "http409":
                return self.refusal(409, message)
            case "http200_error_code":
                body = {"success": False, "error_code": 409, "message": message}
                return answer(200, body)
            case "return_existing":
                message = "Successfully retrieved contact"
                return answer(
                    200, id_answer(existing.id, self.switches.id_place, message)
                )

    def _update(self, contact: DmChampContact, body: Mapping[str, Json]) -> Json:
        """Change the fields of a contact; return the body of the answer."""
        changes = self._changes_of(contact, body)
        self._check_required({**contact.fields, **changes}, creates=False)
        was_opted_out = contact.fields["do_not_disturb"]
        contact.fields |= changes
        # An update that takes back an opt-out is the gravest mistake of an adapter.
        if was_opted_out and not contact.fields["do_not_disturb"]:
            self.store.lowered.append(contact.id)
            contact.reason = None
        self.store.lower_email(contact)
        if self.switches.custom_fields == "keep":
            contact.custom.update(body.get("custom_fields") or {})
        # Documented: the answer shows nothing of the contact.
        return {"success": True, "message": "Contact updated successfully"}

    def _changes_of(
        self, contact: DmChampContact, body: Mapping[str, Json]
    ) -> dict[str, Json]:
        """Return the fields that an update sets, with the values that they get."""
        given = picked(body, CHANGEABLE)
        changes = checked(given, nullable=())
        if self.switches.put_mode == "replace":
            # What the update leaves out becomes what it was before any write.
            changes = {**picked(DEFAULTS, CHANGEABLE), **changes}
        for name, value in changes.items():
            if value is None:
                mode = self.switches.null_mode
            elif value == "":
                mode = self.switches.empty_mode
            else:
                continue
            if mode == "400":
                raise invalid_value(name)
            if mode == "clear":
                changes[name] = DEFAULTS[name]
            else:
                changes[name] = contact.fields[name]
        return changes

    def _change_membership(self, body: Mapping[str, Json], *, joins: bool) -> Json:
        """Put a contact on a list, or take it off; return the body of the answer."""
        for name in ("contactId", "listId"):
            if not is_text(body.get(name)):
                raise missing_parameter(name)
        contact = self._contact(body["contactId"])
        list_id = body["listId"]
        self._check_list(list_id)
        # Idle is to join a list that the contact is on, or to leave one it is not on.
        is_idle = (list_id in contact.lists) is joins
        if is_idle and self.switches.idle_list == "400":
            state = "already in" if joins else "not in"
            raise TwinRefusalError(400, f"Contact is {state} this list")
        if joins:
            contact.lists.setdefault(list_id)
            done = "added to"
        else:
            contact.lists.pop(list_id, None)
            done = "removed from"
        message = f"Contact successfully {done} list {list_id}"
        return {"success": True, "message": message}

    def _add_tag(self, query: Mapping[str, str]) -> Json:
        """Tag a contact. Documented: everything is in the query, also of this POST."""
        tag = query.get("tag")
        phone = query.get("phoneNumber")
        email = query.get("email")
        if not tag or not (phone or email):
            raise missing_parameter("tag, and phoneNumber or email")
        if phone:
            contact = self._with_tag_phone(phone)
        else:
            contact = self.store.find(email=email)
        if contact is None:
            raise TwinRefusalError(404, _NO_CONTACT)
        self.store.account.tags.setdefault(tag)
        contact.tags.setdefault(tag)
        return {"success": True, "message": f"Tag {tag} added to contact"}

    def _with_tag_phone(self, phone: str) -> DmChampContact | None:
        """Return the contact with a phone as a tag call spells it.

        Documented: here a phone has no ``+``, whereas look-ups want it.
        """
        wanted = self.switches.tag_phones
        spelling = "plus" if phone.startswith("+") else "bare"
        if wanted not in ("both", spelling):
            return None
        bare = phone.removeprefix("+")
        return self.store.find(f"+{bare}") or self.store.find(bare)

    # --- checks -----------------------------------------------------------------------

    def _check_list(self, name: str) -> None:
        """Refuse a list that does not exist, or that belongs to another account."""
        is_defined = self.definitions.has("list", name)
        if not is_defined or not is_known(name, self.switches.lists):
            raise TwinRefusalError(self.switches.unknown_list, "List not found")
        if name in self.switches.forbidden_lists:
            raise TwinRefusalError(403, "You do not have access to this list")

    def _check_required(self, fields: Mapping[str, Json], *, creates: bool) -> None:
        """Refuse a write after which the contact would lack a required field."""
        missing = self.definitions.missing(filled(fields), creates=creates)
        if missing:
            raise missing_parameter(missing[0])
