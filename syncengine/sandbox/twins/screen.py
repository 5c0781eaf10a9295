"""Acts of a person at a vendor's own screen, past its API.

Contacts do not change by our requests alone: people at the vendor delete, merge and
edit them, and undefine fields and tags. Tests play this with the acts here; the admin
endpoint takes them as JSON (``POST act``)::

    {"act": "merge", "into": "17", "other": "18"}

``perform`` calls the method that ``act`` names, with the other entries as arguments.
"""

# ruff: noqa: ARG002 - the acts of ``Screen`` name what a vendor's own take
from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import ValidationError, validate_call

from syncengine.model.http import Json
from syncengine.sandbox.validation import mistakes_of

DefinedKind: TypeAlias = Literal["field", "tag", "stage", "list", "location"]
"""Things that a person defines at a vendor before contacts can have them."""


class NoSuchActError(ValueError):
    """The vendor has no such notion: nobody can do this at its screen."""


class Screen:
    """The screen of one vendor's account at one moment.

    A vendor's screen has the acts whose methods its class defines; every other act
    raises ``NoSuchActError``. Contacts are named by their ids, and fields as
    ``Twin.contacts`` shows them. Raises LookupError for an unknown contact, ValueError
    for what the screen does not take.
    """

    vendor: ClassVar[str]

    def delete(self, contact: str) -> None:
        """Delete a contact for good."""
        raise lacking(self, "delete")

    def merge(self, into: str, other: str) -> str:
        """Make one contact of two; return the id that remains."""
        raise lacking(self, "merge")

    def edit(self, contact: str, fields: dict[str, Any]) -> None:
        """Set fields of a contact; null clears one."""
        raise lacking(self, "edit")

    def move(self, field: str, source: str, to: str, instead: Any = None) -> None:
        """Give the value of a field to another contact; ``instead`` takes its place."""
        raise lacking(self, "move")

    def tag(self, contact: str, tag: str) -> None:
        """Set a tag."""
        raise lacking(self, "tag")

    def untag(self, contact: str, tag: str) -> None:
        """Remove a tag."""
        raise lacking(self, "untag")

    def join(self, contact: str, name: str) -> None:
        """Put a contact on a list."""
        raise lacking(self, "join")

    def leave(self, contact: str, name: str) -> None:
        """Take a contact off a list."""
        raise lacking(self, "leave")

    def set_stage(self, contact: str, stage: str | None) -> None:
        """Set the stage of a contact; null sets none."""
        raise lacking(self, "set_stage")

    def block(self, contact: str, *, blocked: bool = True) -> None:
        """Block a contact, or lift the block."""
        raise lacking(self, "block")

    def archive(self, contact: str, *, archived: bool = True) -> None:
        """Archive a contact, or bring it back."""
        raise lacking(self, "archive")

    def opt_out(self, contact: str, *, opted_out: bool = True) -> None:
        """Opt a contact out, or in again."""
        raise lacking(self, "opt_out")

    def create(
        self,
        fields: dict[str, Any],
        tags: tuple[str, ...] = (),
        key: str | None = None,
        created: float | None = None,
    ) -> str:
        """Enter or import a contact as it is spelled; return its id.

        ``created`` is the time of its creation, in seconds since 1970; now, if null.
        """
        raise lacking(self, "create")

    def recreate(self, contact: str, fields: tuple[str, ...] | None = None) -> str:
        """Delete a contact and enter it again; return its new id.

        With ``fields`` only these are entered again, and no tags.
        """
        raise lacking(self, "recreate")

    def undefine_field(self, name: str) -> None:
        """Delete a custom field or property, with the values that contacts have."""
        raise lacking(self, "undefine_field")

    def undefine_tag(self, name: str) -> None:
        """Delete a tag; all contacts lose it."""
        raise lacking(self, "undefine_tag")

    def undefine_stage(self, name: str) -> None:
        """Delete a stage; contacts in it have none any more."""
        raise lacking(self, "undefine_stage")

    def undefine_list(self, name: str) -> None:
        """Delete a list; no contact is on it any more."""
        raise lacking(self, "undefine_list")

    def undefine_location(self, name: str) -> None:
        """Delete a location; its contacts remain without one."""
        raise lacking(self, "undefine_location")

    def define(self, kind: DefinedKind, name: str) -> None:
        """Define again what was undefined; contacts do not get it back."""
        raise lacking(self, "define")

    def require(
        self, field: str, *, required: bool = True, in_updates: bool = False
    ) -> None:
        """Make a field required of new contacts, or optional again.

        With ``in_updates`` a contact that lacks the field takes no update either.
        """
        raise lacking(self, "require")

    def empty(self) -> None:
        """Delete all contacts."""
        raise lacking(self, "empty")

    def swap(self, account: str) -> None:
        """Have the credentials lead to another account, empty at first.

        The account before it is kept; it is called "main" unless it was swapped for.
        """
        raise lacking(self, "swap")


def acts_of(kind: type[Screen]) -> tuple[str, ...]:
    """Return the names of the acts that a vendor's screen has."""
    acts = []
    for name in _ACTS:
        is_overridden = getattr(kind, name) is not getattr(Screen, name)
        if is_overridden:
            acts.append(name)
    return tuple(acts)


def described(kind: type[Screen]) -> dict[str, Json]:
    """Return the acts of a vendor's screen: what each does, and what it takes.

    Each is ``{"does": TEXT, "needs": [...], "takes": [...]}``: the arguments that an
    act must have, and those that it may.
    """
    # From ``Screen`` itself: a vendor's own methods need no docstrings.
    return {name: _description(getattr(Screen, name)) for name in acts_of(kind)}


def lacking(screen: Screen, act: str) -> NoSuchActError:
    """Return the error that names an act which a screen does not have."""
    acts = ", ".join(acts_of(type(screen)))
    return NoSuchActError(
        f'At {screen.vendor} nobody can "{act}". The acts there: {acts}.'
    )


def perform(screen: Screen, act: Mapping[str, Json]) -> Json:
    """Do what ``act`` names with the rest of its entries; return what the act returns.

    Raises as the act itself does, and ValueError where the entries do not fit.
    """
    name = str(act.get("act"))
    # Only acts may be named: the entries come over HTTP, and would else reach any
    # attribute of the screen.
    if name not in acts_of(type(screen)):
        raise lacking(screen, name)
    arguments = {key: value for key, value in act.items() if key != "act"}
    checked_method = validate_call(getattr(screen, name))
    try:
        return checked_method(**arguments)
    except ValidationError as error:
        raise ValueError(mistakes_of(error)) from None


def _description(method: Any) -> dict[str, Json]:
    """Return what an act does (its docstring) and the names of its arguments."""
    _self, *arguments = inspect.signature(method).parameters.values()
    needed = []
    optional = []
    for argument in arguments:
        if argument.default is inspect.Parameter.empty:
            needed.append(argument.name)
        else:
            optional.append(argument.name)
    return {"does": inspect.getdoc(method), "needs": needed, "takes": optional}


_ACTS = tuple(name for name in vars(Screen) if not name.startswith("_"))
"""The names of all acts, in the order of their definition."""
