"""Steps of a contact's attempt: what its generator asks for, and the answers to it.

The generator decides and does nothing itself. It yields a ``Step``; whoever plays it
does what the step says, and sends the answer or throws what was raised. So the rules of
an attempt can be tested without a network or a database, and the equal steps of many
contacts can be played with one request.

``ask`` is the way to yield a step::

    remotes = yield from ask(Find(key))
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from syncengine.model.calls import Answer, Call
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.work import Intent, LinkResult, Record
from syncengine.planning.rings import ValueWait

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Step(Generic[T_co]):
    """Something that an attempt asks for; the parameter is the type of the answer."""

    __slots__ = ()


Steps: TypeAlias = Generator[Step[Any], Any, T]
"""A part of an attempt: yields steps, is sent the answers, and returns a ``T``."""


def ask(step: Step[T]) -> Steps[T]:
    """Yield a step and return its answer."""
    answer: T = yield step
    return answer


# Questions and calls to the vendor. What is thrown: RequestFailed, AccountStopped,
# ContactSuppressed.


@dataclass(frozen=True, slots=True)
class Find(Step[Sequence[Remote]]):
    """Ask for every vendor contact that has the key."""

    key: MatchKey


@dataclass(frozen=True, slots=True)
class Read(Step[Remote | None]):
    """Read a vendor contact, or the one that the vendor shows in its place."""

    external_id: str


@dataclass(frozen=True, slots=True)
class AnsweredCall:
    """The vendor's answer to a call."""

    answer: Answer
    after_lost_try: bool
    """True where an earlier try was given up, and may have been carried out."""
    number: int
    """Place of the answer among all answers of the run, counted from 1."""


@dataclass(frozen=True, slots=True)
class Send(Step[AnsweredCall]):
    """Send a call until it is answered."""

    call: Call
    repeatable: bool
    """True where doing it twice is the same as doing it once."""
    is_just_created: bool = False
    """True where the attempt has created the contact: the vendor that does not find it
    is only not ready yet."""


@dataclass(frozen=True, slots=True)
class CheckAccount(Step[None]):
    """See to it that the account still is the known one, since a contact is missing.

    VendorHalted is thrown where none of the other known contacts is there either.
    """


@dataclass(frozen=True, slots=True)
class NoteAccount(Step[None]):
    """Note that the vendor has shown a contact that it held before this run."""


# Questions about owners. What is thrown: AccountStopped (a lost lease).


@dataclass(frozen=True, slots=True)
class Claim(Step[LinkResult]):
    """Make the contact the owner of a vendor contact, unless another one is.

    The fields are the parameters of ``ContactStore.link``.
    """

    external_id: str
    key: MatchKey | None = None
    found_tags: frozenset[str] = frozenset()
    our_tags: frozenset[str] = frozenset()
    takes_over: bool = True


@dataclass(frozen=True, slots=True)
class AskOwners(Step[Mapping[str, str]]):
    """Ask which of the vendor contacts others own: their owners, by external id."""

    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AskOwnerOfAnswer(Step[str | None]):
    """Ask who else owns the vendor contact that a create or upsert was answered with.

    The answer None means that it is this contact's.
    """

    external_id: str
    key: MatchKey | None
    may_exist: bool
    """True where the vendor may have had the contact before the call."""


@dataclass(frozen=True, slots=True)
class AskErasure(Step[bool]):
    """Ask whether the deletion of a vendor contact was asked for, and is still open."""

    external_id: str
    within: float
    """Seconds that the vendor takes for a deletion."""


@dataclass(frozen=True, slots=True)
class NoteValueWait(Step[tuple[str, ...]]):
    """Note that the contact waits for values which another one has at the vendor.

    The answer are the fields in which it has to let go of its own values, since its
    wait closes a ring (``planning.rings``); mostly there are none.
    """

    wait: ValueWait


# What is written down.


@dataclass(frozen=True, slots=True)
class WriteIntent(Step[None]):
    """Write down what is about to be sent; answered once it is committed."""

    intent: Intent


@dataclass(frozen=True, slots=True)
class Checkpoint(Step[None]):
    """Have it written down how far the attempt came."""

    record: Record
    is_awaited: bool = False
    """True where the attempt must not go on before it is committed."""


# Waits.


@dataclass(frozen=True, slots=True)
class Wait(Step[bool]):
    """Wait so long, or until the run is stopped; False, at once, where it is already."""

    seconds: float


@dataclass(frozen=True, slots=True)
class AskGoingOn(Step[bool]):
    """Ask whether the run goes on, and is not stopped."""
