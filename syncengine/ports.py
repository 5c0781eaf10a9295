"""The protocols the engine needs.

The engine imports neither the database nor the network: it is handed objects that fit
these protocols. ``storage`` has the stores over Postgres, ``transport`` the ``Sender``,
each module of ``vendors`` a ``Vendor``; tests have stand-ins for all of them.

Four groups, in this order:

- Vendors. ``Vendor`` is what every adapter is; the small protocols behind it (marked
  ``runtime_checkable``) are what some can do besides. Their methods return an
  ``Exchange``: a generator that yields requests and is sent the responses.
- Sending: ``Gate`` and ``Permit`` keep the limits, ``Sender`` does one request.
- Stores of the state, each for one destination, account or run. All writes are fenced:
  they check the epoch of the account's lease in their transaction, so that a process
  that has lost its lease cannot write any more (LeaseLost).
- ``DeskState``, which only reads, for pages and metrics.

All of them raise StorageError where the database cannot be used.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from typing import Protocol, TypeAlias, runtime_checkable

from syncengine.model.calls import Answer, Call, CallResult, Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.change import ContactChange
from syncengine.model.consent import Subject
from syncengine.model.contact import Fields, MatchKey, Page, Pending, Remote
from syncengine.model.costs import Cost
from syncengine.model.desk import BatchSummary, ContactEvent, RunSummary
from syncengine.model.desk_pages import (
    AlertFacts,
    ContactAtDestination,
    DestinationFacts,
    FailurePage,
)
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.model.mapping import MappingProblem
from syncengine.model.run_record import ChangeCounts, MinuteFacts, RunFacts
from syncengine.model.undo import LaterChange, TakenBack
from syncengine.model.work import (
    Batch,
    BatchKind,
    Blocker,
    ContactState,
    GroupMember,
    Intent,
    KeyWait,
    LeaseGrant,
    LinkResult,
    Record,
    Refusal,
    RefusalGroup,
    SharedContact,
    SourceRow,
    Standing,
)


class Vendor(Protocol):
    """A pure translator between calls and one vendor's HTTP.

    Raises ``RequestFailed`` and ``AccountStopped`` only.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def probe(self) -> Exchange[bool]:
        """Ask whether the credentials are good: returns True or raises VendorHalted.

        Returns False, without a request, where the vendor has nothing harmless to ask.
        """
        ...

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        """Return every contact that matches exactly, each once."""
        ...

    def read(self, external_id: str) -> Exchange[Remote | None]:
        """Read the vendor contact; None when the vendor has no such contact."""
        ...

    def send(self, call: Call) -> Exchange[Answer]:
        """Carry a call out."""
        ...

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        """Return whether the vendor's value equals ours, apart from its formatting."""
        ...


@runtime_checkable
class BulkVendor(Protocol):
    """A vendor that takes many contacts in one request.

    ``Capabilities`` says how many, for each action (``Bulk``), for look-ups
    (``find_many``) and for reading (``read_many``). These methods are handed no more
    than that, what may share a request only, no match key twice and no contact twice.
    """

    def find_many(
        self, keys: Sequence[MatchKey]
    ) -> Exchange[Mapping[MatchKey, Sequence[Remote]]]:
        """Return for each of the keys, all of one field, what ``find`` returns.

        A key that is missing in the result was not answered.
        """
        ...

    def read_many(
        self, external_ids: Sequence[str]
    ) -> Exchange[Mapping[str, Remote | None]]:
        """Return for each of the ids what ``read`` returns; missing: not answered."""
        ...

    def send_many(
        self, calls: Sequence[Call]
    ) -> Exchange[Sequence[CallResult] | Rejected]:
        """Carry the calls out, and return a result for each that was answered.

        A result names its call; a call without one may have been carried out. Returns
        Rejected where the vendor refused the request as a whole, and carried nothing of
        it out for certain: the engine then finds the calls that are to blame.
        """
        ...


@runtime_checkable
class FieldChooser(Protocol):
    """A vendor that shows only those fields of a contact that it is asked for."""

    def showing(self, fields: Collection[str]) -> Vendor:
        """Return the same vendor, whose look-ups and reads show these fields."""
        ...


@runtime_checkable
class MappingChecker(Protocol):
    """A vendor that tells which fields its account has, and what they take."""

    def mapping_problems(
        self, mapping: ContactMapping
    ) -> Exchange[Sequence[MappingProblem]]:
        """Return everything in a mapping that does not fit the account."""
        ...


@runtime_checkable
class Directory(Protocol):
    """A vendor that lists all contacts of an account."""

    def page(self, cursor: str | None) -> Exchange[Page]:
        """Return some of them, from the previous page's cursor on (None: the start)."""
        ...


@runtime_checkable
class SimilarPhoneFinder(Protocol):
    """A vendor that can be asked for phones in more spellings than ``find`` tries."""

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        """Return every contact whose phone has the digits of the key's number.

        Some of them may be surely the same number, others another country's.
        """
        ...


@runtime_checkable
class Merger(Protocol):
    """A vendor that makes one contact of two."""

    def merge(self, into: str, other: str) -> Exchange[Answer]:
        """Merge one contact (by external id) into another.

        Applied names the one that is left.
        """
        ...


@runtime_checkable
class DetailReader(Protocol):
    """Vendor that shows more of a contact than its fields and tags.

    Messages, channels and lists are such details.
    """

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        """Read further details, by name; for people."""
        ...


@runtime_checkable
class RequestCosts(Protocol):
    """Vendor some of whose exchanges differ from its capabilities in their requests."""

    def look_up_cost(self, key: MatchKey) -> Cost:
        """Return the requests of a look-up; of other vendors each takes one."""
        ...

    def extra_requests(self, call: Call) -> int:
        """Return the requests of a call beyond those its capability declares."""
        ...


class Permit(Protocol):
    """The right to send one request; exactly one of the three must be called."""

    def answered(self) -> None:
        """Note that the response came in."""
        ...

    def abandoned(self) -> None:
        """Note that no response is waited for; the request may still arrive."""
        ...

    def unsent(self) -> None:
        """Note that no byte of the request left this machine."""
        ...


class Gate(Protocol):
    """Gate that every request of an account passes, waiting until it may be sent."""

    async def permit(self, method: str, items: int = 1) -> Permit:
        """Wait until a request of this method, with so many items, may be sent.

        Raises AccountStopped when the account is stopped.
        """
        ...

    def check(self) -> None:
        """Raise LeaseLost unless this process still holds the lease.

        Called right before the bytes go out.
        """
        ...


SendCheck: TypeAlias = Callable[[], Awaitable[None]]
"""Raises ContactSuppressed when nothing may be sent about a contact any more."""


class Sender(Protocol):
    """Sends one request and reads its response.

    Raises VendorUnavailable when none came.
    """

    async def send(
        self, request: Request, allowed: SendCheck | None = None
    ) -> Response:
        """Send a request.

        ``allowed`` is called right before the bytes go out; what it raises keeps them
        here.
        """
        ...


class SourceReader(Protocol):
    """Reader of fresh rows by key, with ``where`` applied again.

    Contacts that are not selected (any more) are left out.
    """

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]: ...


class ContactStore(Protocol):
    """The contacts of one destination.

    Every write checks the lease's epoch in its transaction and raises LeaseLost.
    """

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        """Return states by contact id; a contact never seen is left out."""
        ...

    async def intend(self, intents: Sequence[Intent]) -> None:
        """Note what is about to be sent and clear the source hashes, all at once.

        It is one transaction.
        """
        ...

    async def taken_back(self, contact_ids: Sequence[str]) -> Mapping[str, TakenBack]:
        """Return what undos have taken back of these contacts, by contact id."""
        ...

    async def change_taken_back(self, notes: Mapping[str, TakenBack]) -> None:
        """Keep what still counts as taken back once a row or mapping has changed.

        An empty note is dropped.
        """
        ...

    async def is_erasing(self, external_id: str, within: float) -> bool:
        """Return whether the deletion of a vendor contact is under way.

        It was asked for less than ``within`` seconds ago, for whichever contact of the
        account. What is written to it now may be lost.
        """
        ...

    async def record(self, batch: int, records: Sequence[Record]) -> None:
        """Write steps and outcomes, in one transaction.

        A batch's contacts may come in several calls.
        """
        ...

    async def link(
        self,
        contact_id: str,
        external_id: str,
        key: MatchKey | None = None,
        found_tags: frozenset[str] = frozenset(),
        our_tags: frozenset[str] = frozenset(),
        *,
        takes_over: bool = True,
    ) -> LinkResult:
        """Make the contact the owner of a vendor contact, unless another one owns it.

        Args:
            contact_id: the contact that found or made it.
            external_id: the vendor contact.
            key: the match key under which the vendor has it.
            found_tags: tags it has that no call of ours is known to have set.
            our_tags: tags that are ours all the same, by their prefix.
            takes_over: whether a removed contact gives it up to this one.
        """
        ...

    async def suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        """Return those of the contacts about which nothing is sent, with the reason."""
        ...

    async def owners(
        self, contact_id: str, external_ids: Sequence[str], *, takes_over: bool = True
    ) -> Mapping[str, str]:
        """Return the owners of those vendor contacts that another contact keeps.

        Owners are named ``destination/contact_id``. A removed contact keeps its own
        only where ``takes_over`` is False, as in ``link``.
        """
        ...

    async def allow_recreation(self, contact_ids: Sequence[str]) -> None:
        """Allow that contacts deleted at the vendor are created again."""
        ...

    async def overwritten(self, owner: str, external_id: str, written: Pending) -> None:
        """Note that another contact's values were written to an owner's vendor contact.

        ``owner`` is named ``destination/contact_id``. What it is known to hold in these
        fields and tags is unknown from now on, so that the next run mends it.
        """
        ...

    async def remember_opt_outs(self, opt_outs: Mapping[str, Fields]) -> None:
        """Note the opt-outs that the vendor shows, by contact; others are taken back.

        All else that is known stays. Contacts without an external id are passed over.
        """
        ...

    async def gone(self, *, all_of_them: bool) -> Sequence[str]:
        """Return the contacts with status gone, in key order.

        All of the destination, or only those of this run's batches.
        """
        ...

    async def in_step(self, besides: str, number: int) -> Sequence[str]:
        """Return up to ``number`` contacts in step, the last written first.

        They serve to prove that the account is the one we know. The contact ``besides``
        is left out, and so are contacts that this run created, or an earlier one that
        did not come to its end. Those that a re-sync distrusts count as in step.
        """
        ...


class ChangeStore(Protocol):
    """Changes by former runs of one destination."""

    async def changes(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, ContactChange]:
        """Return what a run altered at these contacts, by contact id."""
        ...

    async def later(
        self, run_id: int, contact_ids: Sequence[str]
    ) -> Mapping[str, tuple[LaterChange, ...]]:
        """Return what later runs altered at these contacts, the first run first."""
        ...


class KeyStore(Protocol):
    """Match keys that contacts of one account ask for. Keys are stored hashed."""

    async def claim(self, claims: Mapping[str, Sequence[bytes]]) -> None:
        """Replace the claims of these contacts.

        Claims are by contact id; an empty list releases all keys.
        """
        ...

    async def losers(self, contact_ids: Sequence[str]) -> Mapping[str, str]:
        """Return contacts that must not have a key they claim, with its owner.

        Of several claimants the one that owns an external id wins, else the lowest
        contact id.
        """
        ...

    async def freed(self) -> Sequence[str]:
        """Return contacts that lose no key any more.

        They were once rejected as ``duplicate_match_key``.
        """
        ...


class ShareStore(Protocol):
    """Facts that the state has about an account's other destinations."""

    async def owners_at(
        self, destination: str, external_ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return the contacts that own these vendor contacts there, by external id.

        Removed contacts are left out.
        """
        ...

    async def owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, str]:
        """Return the vendor contacts that these of its contacts own.

        Removed contacts are left out.
        """
        ...

    async def claimants_at(
        self, destination: str, key_hashes: Sequence[bytes]
    ) -> Mapping[bytes, Sequence[str]]:
        """Return the contacts there that claim these match keys, by the key's hash."""
        ...

    async def still_owned_at(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, bool]:
        """Return those of the contacts that the destination still owns.

        True where nothing is unknown of one, so that another destination may take it
        over.
        """
        ...

    async def hand_over(self, destination: str, contact_ids: Sequence[str]) -> None:
        """Release contacts that another destination selects now, and it does not.

        They count as removed there, and their match keys are free.
        """
        ...

    async def shared_contacts(
        self, destination: str, contact_ids: Sequence[str]
    ) -> Mapping[str, SharedContact]:
        """Return the contacts that other destinations have, or may have, there."""
        ...


class WaitStore(Protocol):
    """Waits of one destination's contacts for other contacts of its account."""

    async def keep(self, waits: Mapping[str, KeyWait]) -> None:
        """Note the contacts that these wait for, with their present match keys."""
        ...

    async def moved(self) -> Sequence[str]:
        """Return contacts that were refused for a wait and may be tried again.

        The other contact does not have any more what it had at the vendor then.
        """
        ...

    async def blockers(self, contacts: Collection[str]) -> Mapping[str, Blocker]:
        """Return the state of these contacts and of all that keep them from moving.

        They are named ``destination/contact_id``. A contact never seen is left out.
        """
        ...


class RefusalStore(Protocol):
    """Contacts of one destination that the vendor refuses for one cause.

    They are left alone: no run tries them but for one of each group, the probe.
    """

    async def groups(self) -> Sequence[RefusalGroup]:
        """Return the groups, the one that was tried longest ago first."""
        ...

    async def members(
        self, fingerprint: int, skip: int, most: int
    ) -> Sequence[GroupMember]:
        """Return contacts of a group, those that were tried longest ago first."""
        ...

    async def leave_alone(self, at_least: int) -> None:
        """Leave alone all contacts of which at least so many were refused alike.

        What was counted against them is taken back. A contact with an unknown outcome
        is left alone only once it was refused again: it has to be looked up before.
        """
        ...

    async def relabel(self, former: int, now: Refusal) -> None:
        """Note that the probe of a group was refused in other words.

        They are the group's from now on, unless another group has them already.
        """
        ...

    async def revive(
        self, fingerprints: Sequence[int], most: int
    ) -> Sequence[GroupMember]:
        """Have contacts planned again that were refused with one of these.

        Those that this run tried stay as they are. Returns the contacts revived, at
        most ``most``; none: there are no more.
        """
        ...

    async def put_back(self, fingerprints: Sequence[int]) -> None:
        """Leave those contacts alone again that this run revived."""
        ...


class BatchStore(Protocol):
    """The batches of one run."""

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        """Add a batch; return its number."""
        ...

    def waiting(self) -> AsyncIterator[Batch]:
        """Yield the batches in the order of work, each read when asked for.

        Batches added meanwhile come too.
        """
        ...

    async def finish(self, number: int, totals: Mapping[str, int]) -> None:
        """Mark a batch as done. ``totals`` are its contacts by outcome."""
        ...


class LeaseStore(Protocol):
    """The right to be the only writer for an account."""

    async def acquire(
        self, account: str, *, ttl: float, settles_within: float
    ) -> LeaseGrant:
        """Take the lease, waiting out a holder that stopped renewing.

        Raises LeaseHeld when the holder is alive.
        """
        ...

    async def renew(self, grant: LeaseGrant) -> None:
        """Keep the lease for another ``ttl`` seconds.

        Raises LeaseLost when it was taken over or ran out.
        """
        ...

    async def release(self, grant: LeaseGrant, ledger: Json) -> None:
        """Give the lease back cleanly.

        Everything sent was answered or is in the ledger, every outcome is recorded.
        """
        ...


class QuotaStore(Protocol):
    """Counts of one account's requests or items in long windows (over ten minutes).

    They are kept by the minute and reserved ahead.
    """

    async def reserve(
        self,
        quota: str,
        windows: Sequence[tuple[int, float]],
        wanted: int,
        least: int = 1,
    ) -> tuple[int, float]:
        """Reserve ``least`` to ``wanted`` requests without exceeding any window.

        ``quota`` names what is counted: all requests, or those of one HTTP method, or
        the items that they carry. Windows are pairs of a number and seconds. Returns
        how many were granted, and where none were the seconds until ``least`` can be.
        Raises StorageError, LeaseLost.
        """
        ...


class DeskState(Protocol):
    """Reader of the state for the operator's desk: page by page, and nothing else."""

    async def destinations(self, after: str | None) -> Sequence[DestinationFacts]:
        """Return a page of destinations by name, those behind ``after``."""
        ...

    async def runs(
        self, destination: str | None, before: int | None, most: int
    ) -> Sequence[RunSummary]:
        """Return a page of runs, the newest first, those before ``before``."""
        ...

    async def run(self, run_id: int) -> RunFacts | None:
        """Return one run; None where there is none of this number."""
        ...

    async def minutes(self, run_id: int) -> Sequence[MinuteFacts]:
        """Return the last minutes of a run, in their order."""
        ...

    async def changes(self, run_id: int) -> ChangeCounts:
        """Count what the first changes of a run were about; no values."""
        ...

    async def batches(
        self, run_id: int, after: int, most: int
    ) -> Sequence[BatchSummary]:
        """Return a page of the batches of a run, those behind number ``after``."""
        ...

    async def failures(
        self,
        run: RunFacts,
        *,
        outcome: str | None,
        code: str | None,
        after: tuple[str, str] | None,
        most: int,
    ) -> FailurePage:
        """Return a page of the contacts that fell short in a run."""
        ...

    async def standing(
        self,
        destination: str,
        reason: Standing,
        *,
        code: str | None,
        after: tuple[str, str] | None,
        most: int,
    ) -> FailurePage:
        """Return a page of the contacts that stand for this reason now."""
        ...

    async def contact(
        self, contact_id: str, *, with_values: bool
    ) -> Sequence[ContactAtDestination]:
        """Return how a contact stands at each destination that knows it."""
        ...

    async def history(
        self, contact_id: str, before: int | None
    ) -> tuple[Sequence[ContactEvent], int | None]:
        """Return what runs did to a contact, and where the next page begins."""
        ...

    async def alerts(self) -> Sequence[AlertFacts]:
        """Return the states of all alerts."""
        ...

    async def require_answer(self) -> None:
        """Ask the state for anything. Raises StorageError where it does not answer."""
        ...
