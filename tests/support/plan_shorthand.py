"""Vendors, contacts and calls in short notation, for tables of plans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from syncengine.model.calls import Action, Call, Unsupported
from syncengine.model.capabilities import Capabilities, ListCall, TagCall, Write
from syncengine.model.contact import LISTS, Desired, Fields, Known, MatchKey, Pending

SPLITTING = Capabilities(
    create=Write(max_fields=3),
    update=Write(max_fields=3, clears=("*",)),
    add_tags=TagCall(max_tags=2),
    remove_tags=TagCall(max_tags=2),
    find_by=("ref", "phone"),
)
"""Calls of three fields and of two tags, and a look-up."""
ADDING = Capabilities(
    upsert=Write(add_tags=None), identity="ref", accumulates=("phones",)
)
"""One write for everything, which only adds; known by one identity."""
RIDING = Capabilities(
    create=Write(add_tags=2),
    update=Write(clears=("*",), add_tags=2, remove_tags=1),
    add_tags=TagCall(max_tags=1),
)
"""Tags ride inside writes."""
KEYED = Capabilities(
    upsert=Write(keyed_by=("email", "phone"), must_carry=("email",)),
    update=Write(),
    find_by=("email",),
)
"""An upsert that finds its contact by an e-mail, else by a phone."""
LISTING = Capabilities(
    create=Write(join_lists=1),
    update=Write(),
    join_lists=ListCall(max_lists=2),
    leave_lists=ListCall(max_lists=1),
)
BY_PHONE = Capabilities(
    create=Write(max_fields=2),
    update=Write(clears=("*",)),
    add_tags=TagCall(addressed_by=("phone",)),
    remove_tags=TagCall(addressed_by=("phone",)),
)
"""Its tag calls name the contact by the phone that it holds."""
TELLING = Capabilities(
    create=Write(max_fields=2, repeatable=True, keyed_by=("email", "phone")),
    update=Write(),
    find_by=("ref",),
)
"""Its create makes no second contact with an e-mail, or a phone, that is there."""
STAGED = Capabilities(
    create=Write(fields=("name",)),
    update=Write(fields=("name",)),
    set_lifecycle=Write(fields=("stage",), clears=("stage",)),
)


@dataclass(frozen=True)
class Wish:
    """A contact as the source wants it."""

    fields: Fields = field(default_factory=dict)
    tags: str = ""
    keys: str = "ref"
    """Match fields, in order."""
    lists: str | None = None
    """None: lists are nobody's business."""

    @property
    def desired(self) -> Desired:
        keys = tuple(
            MatchKey(name, str(self.fields.get(name, "7")))
            for name in self.keys.split()
        )
        lists = {LISTS + name: True for name in (self.lists or "").split()}
        tags = frozenset(self.tags.split())
        return Desired(
            "7",
            {**self.fields, **lists},
            tags,
            keys,
            manages_lists=self.lists is not None,
        )


NEW = Known()


def there(
    tags: str = "",
    /,
    *,
    found: str = "",
    lists: str = "",
    doubt: Pending | None = None,
    **fields: object,
) -> Known:
    """Return a contact that the vendor has.

    It has tags that we set, and tags that were ``found``.
    """
    held = {**fields, **{LISTS + name: True for name in lists.split()}}
    return Known(
        "v7",
        MatchKey("ref", "7"),
        held,
        frozenset(tags.split()),
        frozenset(found.split()),
        doubt,
    )


def told(calls: Iterable[Call]) -> str:
    """Return calls in words: action, how it names the contact, fields and tags."""
    return "; ".join(map(_call, calls))


def cannot(unsupported: Iterable[Unsupported]) -> str:
    """Return what is unsupported, sorted."""
    return "; ".join(
        sorted(f"{item.code} {item.subject}".strip() for item in unsupported)
    )


def _call(call: Call) -> str:
    words = [str(call.action)]
    if call.key and call.action is Action.UPSERT:
        words.append(f"by {call.key.field}")
    elif call.key and (call.key.field == "phone" or call.action is Action.DELETE):
        words.append(f"by {call.key.field}={call.key.value}")
    words += [f"{name}={value}" for name, value in sorted(call.fields.items())]
    words += [f"+{tag}" for tag in call.add_tags] + [
        f"-{tag}" for tag in call.remove_tags
    ]
    return " ".join(words)
