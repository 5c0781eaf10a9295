"""Acts of a person at the vendors' screens, at every twin."""

from __future__ import annotations

from typing import Any

import pytest

from syncengine import vendors
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.screen import (
    DefinedKind,
    NoSuchActError,
    Screen,
    acts_of,
    described,
    perform,
)
from syncengine.sandbox.twins.twin import Twin

PHONE = "+4915111223344"
OTHER_PHONE = "+4915199887766"
STANDARD = {
    "delete",
    "merge",
    "edit",
    "move",
    "create",
    "recreate",
    "define",
    "require",
    "empty",
    "swap",
}
MORE = {
    "charles": {"tag", "untag", "archive", "undefine_field", "undefine_tag"},
    "chartmogul": {"undefine_field"},
    "dm_champ": {
        "tag",
        "untag",
        "join",
        "leave",
        "opt_out",
        "undefine_tag",
        "undefine_list",
    },
    "hubspot": {
        "tag",
        "untag",
        "join",
        "leave",
        "archive",
        "opt_out",
        "undefine_field",
        "undefine_tag",
        "undefine_list",
    },
    "respond_io": {"tag", "untag", "block", "undefine_field", "undefine_tag"},
    "respond_io_v2": {
        "tag",
        "untag",
        "block",
        "set_stage",
        "undefine_field",
        "undefine_tag",
        "undefine_stage",
    },
    "whautomate": {
        "tag",
        "untag",
        "set_stage",
        "undefine_field",
        "undefine_tag",
        "undefine_location",
    },
}
NAMES = {
    "charles": "first_name",
    "chartmogul": "first_name",
    "dm_champ": "firstName",
    "hubspot": "firstname",
    "respond_io": "firstName",
    "respond_io_v2": "firstName",
    "whautomate": "name",
}
PHONES = {
    "charles": "phone_numbers.mobile",
    "chartmogul": "phone",
    "dm_champ": "phoneNumber",
    "hubspot": "phone",
    "respond_io": "phone",
    "respond_io_v2": "phone",
    "whautomate": "phoneNumber",
}
CUSTOM = {
    "charles": "custom_properties.plan",
    "chartmogul": "custom.plan",
    "dm_champ": "custom_fields.plan",
    "hubspot": "plan",
    "respond_io": "plan",
    "respond_io_v2": "custom_fields.plan",
    "whautomate": "customFields.plan",
}
every_twin = pytest.mark.parametrize("name", sorted(NAMES))


def with_act(act: str) -> pytest.MarkDecorator:
    """Parametrize a test with every twin whose screen has this act."""
    return pytest.mark.parametrize(
        "name", [each for each in sorted(MORE) if act in MORE[each]]
    )


class Desk:
    """A twin, and its screen at a moment."""

    def __init__(self, name: str, **switches: Any) -> None:
        self.name = name
        self.twin: Twin = load(name)
        self.twin.configure(switches)

    def at(self, now: float = 1000.0) -> Screen:
        return self.twin.screen(now)

    def enter(self, who: str, phone: str, **more: Any) -> str:
        fields = {NAMES[self.name]: who, PHONES[self.name]: phone}
        return self.at().create({**fields, **more.pop("fields", {})}, **more)

    def has(self, kind: DefinedKind, name: str) -> bool:
        twin: Any = self.twin
        return bool(twin.store.definitions.has(kind, name))

    def shown(self) -> dict[str, dict[str, Any]]:
        return {each["id"]: each for each in self.twin.contacts(1000.0)}

    def value(self, contact: str, field: str) -> Any:
        found = self.shown()[contact]["fields"].get(field)
        return found[0] if isinstance(found, list) and len(found) == 1 else found

    def phone(self, contact: str) -> str | None:
        """Return the phone without its plus: charles keeps digits."""
        phone = self.value(contact, PHONES[self.name])
        return phone.removeprefix("+") if phone else None


def test_every_vendor_has_a_screen() -> None:
    assert sorted(NAMES) == sorted(vendors.names())


@every_twin
def test_the_acts_of_a_vendor_are_known(name: str) -> None:
    twin = load(name)
    assert set(acts_of(twin.screen_kind)) == STANDARD | MORE[name]
    assert set(described(twin.screen_kind)) == STANDARD | MORE[name]
    assert type(twin.screen(0.0)) is twin.screen_kind


@every_twin
def test_acts_that_a_vendor_lacks_are_refused_by_name(name: str) -> None:
    screen = load(name).screen(0.0)
    for act in sorted(set(described_acts()) - STANDARD - MORE[name]):
        with pytest.raises(NoSuchActError, match=f'^At {name} nobody can "{act}"'):
            perform(screen, {"act": act})


def described_acts() -> tuple[str, ...]:
    """Return every act that any vendor has."""
    return tuple({act for acts in MORE.values() for act in acts} | STANDARD)


@every_twin
def test_a_deleted_contact_is_gone_and_its_phone_free(name: str) -> None:
    desk = Desk(name)
    one, other = desk.enter("Ilse", PHONE), desk.enter("Max", OTHER_PHONE)
    desk.at().delete(one)
    assert list(desk.shown()) == [other]
    again = desk.enter("Ilse", PHONE)
    assert again not in (one, other)
    with pytest.raises(LookupError, match=f"^{name} has no contact {one}"):
        desk.at().delete(one)


@every_twin
def test_a_contact_entered_by_hand_keeps_the_spelling_and_its_time(name: str) -> None:
    desk = Desk(name)
    for phone in ("0171 2345678", "0049171 2345678", "+49 171 234-56-78"):
        made = desk.at(1000.0).create(
            {NAMES[name]: "Ilse", PHONES[name]: phone}, created=86_400.0
        )
        kept = desk.value(made, PHONES[name])
        digits = "".join(filter(str.isdecimal, phone))
        assert kept == (digits if name == "charles" else phone)
        assert created_of(desk.twin, made) == 86_400.0


def created_of(twin: Any, contact: str) -> float:
    """Return a contact's time of creation, from where each twin keeps it."""
    account = twin.store.account
    match twin.screen_kind.vendor:
        case "charles":
            made = account.people[contact].created.timestamp()
        case "chartmogul":
            made = account.contacts[contact].at // 10**9
        case "dm_champ":
            made = account.contacts[contact].made
        case "hubspot":
            made = account.contacts.active[contact].created
        case "respond_io":
            made = account.channels["sandbox-token"].contacts[contact].created
        case "respond_io_v2":
            made = account.contacts.get(int(contact)).created
        case _:
            made = account.contacts[contact].at
    return float(made)


@every_twin
@pytest.mark.parametrize("reverse", [False, True])
def test_a_merge_leaves_one_contact_with_the_values_of_both(
    name: str, *, reverse: bool
) -> None:
    desk = Desk(name)
    ours = desk.enter("Ilse", PHONE, fields={CUSTOM[name]: "gold"})
    stranger = desk.at().create(
        {NAMES[name]: "I. Brandt", PHONES[name]: OTHER_PHONE}, created=5.0
    )
    pair = (stranger, ours) if reverse else (ours, stranger)
    remains = desk.at().merge(*pair)
    assert list(desk.shown()) == [remains]
    # The older one remains at respond.io, whichever was chosen.
    older = name in ("respond_io", "respond_io_v2")
    chosen = stranger if older else pair[0]
    # At HubSpot it has a record id that neither had.
    assert (remains not in pair) if name == "hubspot" else (remains == chosen)
    assert desk.value(remains, CUSTOM[name]) == "gold"
    assert desk.value(remains, NAMES[name]) == (
        "I. Brandt" if chosen == stranger else "Ilse"
    )
    with pytest.raises(ValueError, match="itself"):
        desk.at().merge(remains, remains)


@every_twin
def test_fields_are_edited_and_cleared(name: str) -> None:
    desk = Desk(name)
    one = desk.enter("Ilse", PHONE, fields={CUSTOM[name]: "gold"})
    desk.at().edit(one, {NAMES[name]: "Ilse B.", CUSTOM[name]: None})
    assert desk.value(one, NAMES[name]) == "Ilse B."
    assert desk.value(one, CUSTOM[name]) is None
    with pytest.raises(LookupError):
        desk.at().edit("99", {NAMES[name]: "Nobody"})


@every_twin
def test_a_phone_moves_from_one_contact_to_another(name: str) -> None:
    desk = Desk(name)
    one, other = desk.enter("Ilse", PHONE), desk.enter("Max", OTHER_PHONE)
    desk.at().move(PHONES[name], one, other, "+4915100000001")
    assert desk.phone(other) == PHONE[1:]
    assert desk.phone(one) == "4915100000001"
    desk.at().move(PHONES[name], other, one, OTHER_PHONE)
    assert (desk.phone(one), desk.phone(other)) == (PHONE[1:], OTHER_PHONE[1:])


@every_twin
def test_a_phone_may_leave_nothing_behind_where_the_vendor_takes_that(
    name: str,
) -> None:
    desk = Desk(name)
    one, other = desk.enter("Ilse", PHONE), desk.enter("Max", OTHER_PHONE)
    if name == "whautomate":
        with pytest.raises(ValueError, match="phoneNumber: A contact must have one"):
            desk.at().move(PHONES[name], one, other)
        assert (desk.phone(one), desk.phone(other)) == (PHONE[1:], OTHER_PHONE[1:])
        return
    desk.at().move(PHONES[name], one, other)
    assert (desk.phone(one), desk.phone(other)) == (None, PHONE[1:])
    with pytest.raises(ValueError, match="has none"):
        desk.at().move(PHONES[name], one, other)


@every_twin
def test_a_contact_entered_again_has_another_id(name: str) -> None:
    desk = Desk(name)
    tags = () if name == "chartmogul" else ("vip",)
    one = desk.enter("Ilse", PHONE, fields={CUSTOM[name]: "gold"}, tags=tags)
    again = desk.at(2000.0).recreate(one)
    assert again != one
    assert list(desk.shown()) == [again]
    assert desk.value(again, CUSTOM[name]) == "gold"
    assert tuple(desk.shown()[again]["tags"]) == tags
    bare = desk.at(3000.0).recreate(again, (NAMES[name], PHONES[name]))
    assert desk.value(bare, CUSTOM[name]) is None
    assert desk.phone(bare) == PHONE[1:]
    assert desk.shown()[bare]["tags"] == []


@every_twin
def test_an_account_is_emptied(name: str) -> None:
    desk = Desk(name)
    made = [desk.enter("Ilse", PHONE), desk.enter("Max", OTHER_PHONE)]
    desk.at().empty()
    assert desk.shown() == {}
    assert desk.enter("Ilse", PHONE) not in made


@every_twin
def test_another_account_has_other_contacts_and_other_ids(name: str) -> None:
    desk = Desk(name)
    ours = desk.enter("Ilse", PHONE)
    desk.at().swap("other")
    assert desk.shown() == {}
    theirs = desk.enter("Max", PHONE)
    assert theirs != ours
    desk.at().swap("main")
    assert list(desk.shown()) == [ours]
    desk.at().swap("other")
    assert list(desk.shown()) == [theirs]
    desk.twin.reset()
    assert desk.shown() == {}


@with_act("undefine_tag")
def test_tags_are_set_and_removed_by_hand(name: str) -> None:
    desk = Desk(name)
    one = desk.enter("Ilse", PHONE)
    desk.at().tag(one, "vip")
    desk.at().tag(one, "new")
    desk.at().untag(one, "vip")
    assert desk.shown()[one]["tags"] == ["new"]
    desk.at().undefine_tag("new")
    assert desk.shown()[one]["tags"] == []


@with_act("undefine_field")
def test_an_undefined_field_leaves_every_contact(name: str) -> None:
    desk = Desk(name)
    one = desk.enter("Ilse", PHONE, fields={CUSTOM[name]: "gold"})
    with pytest.raises(ValueError, match="can be undefined"):
        desk.at().undefine_field(NAMES[name])
    desk.at().undefine_field(CUSTOM[name])
    assert desk.value(one, CUSTOM[name]) is None


@with_act("undefine_field")
@pytest.mark.parametrize("with_prefix", [False, True])
def test_a_field_is_defined_again_under_the_name_that_a_contact_shows(
    name: str, *, with_prefix: bool
) -> None:
    desk = Desk(name)
    bare = CUSTOM[name].rpartition(".")[2]
    desk.at().undefine_field(CUSTOM[name])
    assert not desk.has("field", bare)
    desk.at().define("field", CUSTOM[name] if with_prefix else bare)
    assert desk.has("field", bare)


@with_act("undefine_list")
@pytest.mark.parametrize("prefix", ["", "lists."])
def test_a_list_is_defined_again_under_the_name_that_a_contact_shows(
    name: str, prefix: str
) -> None:
    desk = Desk(name)
    desk.at().undefine_list("lists.L-1")
    assert not desk.has("list", "L-1")
    desk.at().define("list", f"{prefix}L-1")
    assert desk.has("list", "L-1")


@every_twin
@pytest.mark.parametrize(
    ("act", "said"),
    [
        ({"act": "merge", "into": "1"}, "^other: Missing required argument$"),
        ({"act": "delete", "contact": 7}, "^contact: Input should be a valid string$"),
        ({"act": "empty", "why": "x"}, "^why: Unexpected keyword argument$"),
        ({"act": "explode"}, 'nobody can "explode"'),
        ({}, 'nobody can "None"'),
    ],
)
def test_an_act_with_wrong_entries_is_refused(
    name: str, act: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        perform(load(name).screen(0.0), act)


@every_twin
def test_an_act_is_done_from_data(name: str) -> None:
    desk = Desk(name)
    fields = {NAMES[name]: "Ilse", PHONES[name]: PHONE}
    made = perform(desk.at(), {"act": "create", "fields": fields, "tags": []})
    assert list(desk.shown()) == [made]
    assert perform(desk.at(), {"act": "delete", "contact": made}) is None
    assert desk.shown() == {}
