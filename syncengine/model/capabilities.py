"""The features of a vendor, as data.

An adapter declares its ``Capabilities`` once; planning, forecast, configuration and
the schema of the configuration go by them, so that none of these knows any vendor by
name. There is a field for each action: the most that one call of it may carry, or None
where the vendor lacks the action. So there is no separate flag that could contradict
it. A call is one action on one contact; it takes one HTTP request, or ``requests``.

Fields are named by patterns, which ``matches`` compares: ``*`` is any field,
``custom_properties.*`` any field of that object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

from syncengine.model.http import Json


@lru_cache(maxsize=4096)
def matches(name: str, patterns: tuple[str, ...]) -> bool:
    """Return whether a field name fits one of the patterns.

    ``*`` stands for any text, as in ``custom_properties.*``. The function is called for
    each field of each contact, with few different arguments, and depends on nothing
    else: hence the cache.
    """
    return any(name == pattern or fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class OptOut:
    """A field for an opt-out, which may be set at the vendor without our knowledge.

    A person may have opted out there since we last looked. So any value other than the
    opt-out is sent only with a create, which makes a contact that was not there.
    """

    field: str
    value: Json = True
    """The value that means opted out."""

    def is_opted_out(self, value: Json) -> bool:
        """Return whether the value means opted out, even if it is written as text."""
        return str(value).casefold() == str(self.value).casefold()


@dataclass(frozen=True, slots=True)
class Choice:
    """A field that takes one of a few values only."""

    field: str
    values: tuple[Json, ...]

    def value(self, given: Json) -> Json:
        """Return the value that is meant, in any case; None where there is none."""
        meant = str(given).strip().casefold()
        for value in self.values:
            if str(value).casefold() == meant:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Bulk:
    """Number of calls, about different contacts, that one request may carry.

    A request carries calls of one action only, unless these share a ``group``; calls
    about lists, only such that name the same lists; upserts, and calls that are
    addressed by a key, only such with the same key field.
    """

    size: int
    """Number of calls, at most."""
    group: str = ""
    """Actions with the same group may share a request; empty: the action shares it with
    no other."""


@dataclass(frozen=True, slots=True)
class Write:
    """A create, update or upsert, and the most that one call may carry.

    In its limits None means no limit, and 0 none at all.
    """

    fields: tuple[str, ...] = ("*",)
    """Patterns of the fields it may set."""
    clears: tuple[str, ...] = ()
    """Patterns of the fields it may clear."""
    must_carry: tuple[str, ...] = ()
    """Fields that every such call has to carry, changed or not; they count against
    ``max_fields``."""
    max_fields: int | None = None
    """Number of fields that one call may carry, set or cleared."""
    add_tags: int | None = 0
    """Number of tags to add that one call may carry; 0: none."""
    remove_tags: int | None = 0
    """Number of tags to remove that one call may carry; 0: none."""
    join_lists: int | None = 0
    """Number of lists to join that one call may carry; 0: none."""
    requests: int = 1
    """Number of requests in its exchange (read-change-write: 2)."""
    repeatable: bool = False
    """True where sending it twice does no more than sending it once. Updates and
    upserts are repeatable by construction."""
    keyed_by: tuple[str, ...] = ()
    """Fields by which the vendor itself tells contacts apart, in order of preference. A
    create makes no second contact with the value of one of them. An upsert goes by the
    first one that the destination's ``match_on`` names, and by ``identity`` where it
    names no other."""
    unique: tuple[str, ...] = ()
    """Of an update: fields of which only one contact may have a value. The vendor refuses
    one that another contact has (``Exists``)."""
    tells_existing: bool = True
    """True where a create says so (``Exists``) when the vendor has the contact already.
    False where it may answer like a success then, with that contact's id, whether it
    was written to or not: contacts are looked up by all of ``keyed_by`` before."""
    bulk: Bulk | None = None
    """Calls that one request may carry; None: one (see ``ports.BulkVendor``)."""


@dataclass(frozen=True, slots=True)
class TagCall:
    """A call that only adds, or only removes, tags."""

    max_tags: int | None = None
    requests: int = 1
    addressed_by: tuple[str, ...] = ()
    """Fields one of which, with its value at the vendor, names the contact in
    ``Call.key``; empty: the external id does."""
    bulk: Bulk | None = None
    """Calls that one request may carry; None: one."""


@dataclass(frozen=True, slots=True)
class ListCall:
    """A call that only joins, or only leaves, lists."""

    max_lists: int | None = 1
    requests: int = 1
    bulk: Bulk | None = None
    """Calls that one request may carry; None: one."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """A call that deletes the contact."""

    requests: int = 1
    keeps: tuple[str, ...] = ()
    """Patterns of the fields that the vendor goes on holding; empty: the contact is
    gone. Where some are kept, our tags are removed and its lists are left first."""
    within: float = 0.0
    """Seconds within which the vendor deletes a contact after it has answered. Until
    then a write may still reach it, and is lost. 0: it is deleted at once."""
    bulk: Bulk | None = None
    """Calls that one request may carry; None: one."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The feature list of a vendor."""

    create: Write | None = None
    update: Write | None = None
    upsert: Write | None = None
    add_tags: TagCall | None = None
    remove_tags: TagCall | None = None
    delete: Deletion | None = None
    join_lists: ListCall | None = None
    leave_lists: ListCall | None = None
    set_lifecycle: Write | None = None
    """A separate write for a contact's lifecycle stage."""
    find_by: tuple[str, ...] = ()
    """Patterns of the fields that ``find`` can look up exactly; empty: the vendor has
    no look-up."""
    find_many: int = 1
    """Number of values of one field that one look-up request may carry."""
    read_many: int = 1
    """Number of external ids that one request of reading may carry."""
    shows_one: tuple[str, ...] = ()
    """Patterns of the fields for which ``find`` shows only one of several contacts with
    the value: a single hit does not prove that there is no other."""
    respelled: tuple[str, ...] = ()
    """Patterns of the phone fields that ``find`` looks up in all plain spellings (with
    and without ``+``, ``00``, the country code). The vendor may compare them as texts:
    a create in another spelling makes a second contact."""
    reads: bool = True
    """True where ``read`` shows the contact with a given external id."""
    merges: bool = False
    """True where the vendor can merge contacts, so that a call about one may be
    answered with the id of the other."""
    identity: str | None = None
    """The field that is the only identity (an upsert key); its default value is the
    contact id."""
    accumulates: tuple[str, ...] = ()
    """Patterns of the fields of which the vendor keeps every value it was ever sent."""
    choices: tuple[Choice, ...] = ()
    """Fields whose values are checked before they are sent."""
    whole_numbers: tuple[str, ...] = ()
    """Fields that take whole numbers only."""
    hidden: tuple[str, ...] = ()
    """Patterns of the fields that neither ``read`` nor ``find`` shows, as a rule."""
    opt_outs: tuple[OptOut, ...] = ()
    """Opt-out fields. An opt-out at the vendor is never overwritten."""
    settles_within: float = 30.0
    """Seconds after which a request that was sent is either visible in look-ups or will
    never be carried out."""
    cautions: tuple[str, ...] = ()
    """Warnings for a person before the first run, such as automations that writes set
    off."""

    @property
    def writes(self) -> tuple[Write, ...]:
        """The calls that write fields, those that the vendor has."""
        writes = (self.create, self.update, self.upsert, self.set_lifecycle)
        return tuple(write for write in writes if write)

    @property
    def upsert_keys(self) -> tuple[str, ...]:
        """The fields that an upsert goes by; none where there is no upsert."""
        return () if self.upsert is None else self.upsert.keyed_by

    def lowers_opt_out(self, name: str, value: Json) -> bool:
        """Return whether writing the value could take back an opt-out at the vendor."""
        return any(
            opt_out.field == name and not opt_out.is_opted_out(value)
            for opt_out in self.opt_outs
        )

    def opt_outs_in(self, fields: Mapping[str, Json]) -> dict[str, Json]:
        """Return those of the fields that are opt-outs and mean opted out."""
        found: dict[str, Json] = {}
        for opt_out in self.opt_outs:
            name = opt_out.field
            if name in fields and opt_out.is_opted_out(fields[name]):
                found[name] = fields[name]
        return found

    def value_problem(self, name: str, value: Json) -> str:
        """Return why a field does not take a value; empty where it does.

        Only choices and whole numbers are checked here. None and the empty text are no
        values: whether they clear the field is decided by ``Write.clears``.
        """
        if value in (None, ""):
            return ""
        if name in self.whole_numbers and whole_number(value) is None:
            return "takes whole numbers only"
        for choice in self.choices:
            if choice.field == name and choice.value(value) is None:
                values = ", ".join(_as_json(each) for each in choice.values)
                return f"takes one of: {values}"
        return ""


def whole_number(value: Json) -> int | None:
    """Return the whole number that a value is or spells; None if it is no such number.

    A truth value is none, although Python counts ``True`` as the integer 1.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    # Eighteen digits fit into 64 bits, the most that JSON readers of vendors take for
    # certain. A spreadsheet may write ``12`` as ``12.0``.
    found = re.fullmatch(r"\s*([+-]?\d{1,18})(\.0*)?\s*", str(value), re.ASCII)
    if found is None:
        return None
    return int(found[1])


def _as_json(value: Json) -> str:
    """Return a value as JSON writes it: ``true``, not ``True``."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
