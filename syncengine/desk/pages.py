"""The pages of ``serve``: what each reads, and what it shows.

Each page is made of plain facts that are shown as HTML or, with ``format=json``, as
JSON. Values of contacts are in neither, unless the desk was started with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from syncengine.desk import words
from syncengine.desk.report import OUTCOME_TONES, figures, limit_a_minute
from syncengine.desk.timeline import outcomes_of, slots
from syncengine.desk.words import Tone
from syncengine.model.desk import Failure, RunSummary
from syncengine.model.desk_pages import (
    ContactAtDestination,
    DestinationFacts,
    FailurePage,
)
from syncengine.model.http import Json
from syncengine.model.reports import RunStatus, public_standing
from syncengine.model.run_record import MinuteFacts, RunFacts
from syncengine.model.work import Standing
from syncengine.ports import DeskState

_ROWS = 50
"""Rows of a page."""
_BATCHES = 20
_LARGEST_BATCH = 2**31 - 1
_NAMES = 8
"""Fields that are named of one change of a contact."""
_BARS = 60
"""Bars of the small chart of a run."""
_LEAST_HEIGHT = 1.5
"""Hundredths of the chart's height."""
_REFRESH = 10
"""Seconds after which the page of a run in progress is loaded again."""
_OUTCOMES = ("rejected", "unknown", "deferred", "unsupported")
"""Outcomes that a filter offers."""

Query = Mapping[str, str]


class NoSuchPage(Exception):
    """There is nothing at this address; the message says what is missing."""


class BadQuestion(Exception):
    """The address cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class PageView:
    """One page, before it is written as HTML or JSON."""

    template: str
    title: str
    facts: Mapping[str, object]
    """Values that the template shows."""
    public: Json
    """The same for programs."""
    refresh: int | None = None
    """Seconds after which a browser loads it again."""


@dataclass(frozen=True, slots=True)
class _Bar:
    """One bar of a small chart, in hundredths of its height."""

    height: float
    words: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """A run in a list, with what it amounts to."""

    run: RunSummary
    tone: Tone
    label: str
    short: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


class DeskPages:
    """Reads and makes all pages."""

    def __init__(self, state: DeskState, *, with_values: bool) -> None:
        self._state = state
        self._with_values = with_values

    async def destinations(self, query: Query) -> PageView:
        """Return the page of all destinations."""
        found = await self._state.destinations(query.get("after") or None)
        alerts = {
            (each.destination, each.concern): each
            for each in await self._state.alerts()
            if each.state != "ok"
        }
        public = [_public_destination(each) for each in found]
        next_page: str | None = None
        if found:
            next_page = _link("/", after=found[-1].destination)
        facts = {
            "destinations": [
                (each, each.last_run and words.verdict(each.last_run)) for each in found
            ],
            "alerts": alerts,
            "standing_words": words.STANDING_WORDS,
            "one_standing": words.ONE_STANDING,
            "next": next_page,
            "is_first": not query.get("after"),
        }
        # A page that is not full is the last one; so is an empty one behind it.
        return PageView("destinations.html", "Destinations", facts, public)

    async def runs(self, query: Query) -> PageView:
        """Return a page of runs, the newest first."""
        destination = query.get("destination") or None
        before = _whole_number(query, "before")
        # One more than is shown, to know whether there is a next page.
        found = await self._state.runs(destination, before, _ROWS + 1)
        shown = found[:_ROWS]
        following = None
        if len(found) > _ROWS:
            following = _link(
                "/runs", destination=destination, before=str(shown[-1].run_id)
            )
        facts = {
            "runs": [_shown(each) for each in shown],
            "destination": destination,
            "next": following,
            "is_first": before is None,
        }
        return PageView("runs.html", "Runs", facts, [each.public() for each in shown])

    async def run(self, run_id: int, query: Query) -> PageView:
        """Return the page of one run, which loads itself again while it is under way."""
        run = await self._run(run_id)
        minutes = await self._state.minutes(run_id)
        changes = await self._state.changes(run_id)
        # No batch has a larger number than an integer of Postgres.
        after = min(_whole_number(query, "batches_after") or 0, _LARGEST_BATCH)
        batches = await self._state.batches(run_id, after, _BATCHES + 1)
        verdict = words.verdict(run)
        # Somebody who reads slowly, or has it read out, can stop it from loading again.
        is_live = run.is_running and query.get("refresh") != "off"
        more_batches = None
        if len(batches) > _BATCHES:
            number = str(batches[_BATCHES - 1].number)
            more_batches = _link(f"/runs/{run_id}", batches_after=number) + "#batches"
        facts = {
            "run": run,
            "verdict": verdict,
            "figures": figures(run),
            "changes": changes,
            "batches": batches[:_BATCHES],
            "more_batches": more_batches,
            "progress": words.progress_of(run),
            "left": (run.progress or {}).get("seconds_left"),
            "last_minute": (run.progress or {}).get("last_minute"),
            "limit": limit_a_minute(run),
            "bars": _bars(minutes, limit_a_minute(run)),
            "codes": _codes(minutes),
            "timeline": slots(minutes, _BARS // 2),
            "outcomes": outcomes_of(slots(minutes, _BARS // 2)),
            "is_live": is_live,
            "refresh": _REFRESH,
            "standing_words": words.STANDING_WORDS,
        }
        public = _public_run(run) | {
            "changes": {
                "contacts": changes.contacts,
                "is_complete": changes.is_complete,
                "effects": dict(changes.effects),
                "fields": {each.name: each.contacts for each in changes.fields},
            }
        }
        title = f"Run {run_id}"
        refresh = _REFRESH if is_live else None
        return PageView("run.html", title, facts, public, refresh)

    async def failures(self, query: Query) -> PageView:
        """Return the contacts that fell short in a run, or that stand now."""
        run_id = _whole_number(query, "run")
        if run_id is not None:
            return await self._failures_of(await self._run(run_id), query)
        destination = query.get("destination") or await self._first_destination()
        return await self._standing(destination, query)

    async def contact(self, query: Query) -> PageView:
        """Return what is known of one contact, and what runs did to it."""
        contact_id = query.get("id", "")
        if not contact_id:
            facts: dict[str, object] = {"contact_id": "", "places": [], "events": []}
            facts |= {"next": None, "with_values": self._with_values}
            return PageView("contact.html", "Contact", facts, None)
        places = await self._state.contact(contact_id, with_values=self._with_values)
        before = _whole_number(query, "before")
        events, following = await self._state.history(contact_id, before)
        # On a later page there may be no more events, although the contact is known.
        if not places and not events and before is None and following is None:
            raise NoSuchPage(
                f"Nothing is known of a contact {contact_id}. Contacts are found by "
                "the key of their row in the source."
            )
        link = None
        if following is not None:
            link = _link("/contact", id=contact_id, before=str(following))
        facts = {
            "contact_id": contact_id,
            "places": places,
            "events": events,
            "next": link,
            "with_values": self._with_values,
            "tones": OUTCOME_TONES,
            "one_standing": words.ONE_STANDING,
            "most_names": _NAMES,
            "steps": words.STANDING_STEPS,
        }
        public = {
            "contact": contact_id,
            "destinations": [self._public_place(each) for each in places],
            "history": [each.public(show_values=self._with_values) for each in events],
        }
        return PageView("contact.html", f"Contact {contact_id}", facts, public)

    async def _run(self, run_id: int) -> RunFacts:
        run = await self._state.run(run_id)
        if run is None:
            raise NoSuchPage(
                f"There is no run {run_id}. Old runs are deleted by syncengine prune."
            )
        return run

    async def _first_destination(self) -> str:
        found = await self._state.destinations(None)
        if not found:
            raise NoSuchPage("No destination has run yet, so nothing has failed.")
        return found[0].destination

    async def _failures_of(self, run: RunFacts, query: Query) -> PageView:
        outcome, code = query.get("outcome") or None, query.get("code") or None
        page = await self._state.failures(
            run, outcome=outcome, code=code, after=_after(query), most=_ROWS
        )
        facts = self._failure_facts(run.destination, page, query) | {
            "run": run,
            "outcome": outcome,
            "outcomes": _OUTCOMES,
            "next": _next_failures(
                page, run=str(run.run_id), outcome=outcome, code=code
            ),
        }
        title = f"Failures of run {run.run_id}"
        return PageView("failures.html", title, facts, _public_failures(page))

    async def _standing(self, destination: str, query: Query) -> PageView:
        reason, code = _reason(query), query.get("code") or None
        page = await self._state.standing(
            destination, reason, code=code, after=_after(query), most=_ROWS
        )
        facts = self._failure_facts(destination, page, query) | {
            "run": None,
            "reason": reason,
            "next": _next_failures(
                page, destination=destination, reason=reason.value, code=code
            ),
        }
        title = f"Standing contacts of {destination}"
        return PageView("failures.html", title, facts, _public_failures(page))

    @staticmethod
    def _failure_facts(
        destination: str, page: FailurePage, query: Query
    ) -> dict[str, object]:
        return {
            "destination": destination,
            "groups": _alike(page.failures),
            "code": query.get("code", ""),
            "tones": OUTCOME_TONES,
            "standing_words": words.STANDING_WORDS,
            "steps": words.STANDING_STEPS,
            "code_words": words.code_words,
        }

    def _public_place(self, place: ContactAtDestination) -> dict[str, Json]:
        public: dict[str, Json] = {
            "destination": place.destination,
            "status": place.status,
            "external_id": place.external_id,
            "code": place.code,
            "standing": place.standing,
            "rejections": place.rejections,
            "since_run_id": place.since_run_id,
            "synced_at": words.iso_or_none(place.synced_at),
            "held_back": list(place.held_back),
        }
        if self._with_values:
            public |= {"fields": dict(place.fields), "tags": list(place.tags)}
        return public


def _shown(run: RunSummary) -> _Shown:
    """Return a run of a list with its state in words."""
    tones = {
        RunStatus.DONE: (Tone.GOOD, "in step"),
        RunStatus.RUNNING: (Tone.INFO, "under way"),
        RunStatus.INCOMPLETE: (Tone.WARN, "not in step"),
        RunStatus.STOPPED: (Tone.WARN, "stopped"),
    }
    # A status of a newer release stands for itself, as news that somebody looks at.
    tone, label = tones.get(RunStatus(run.status), (Tone.BAD, run.status))
    is_judged = run.kind in words.SENDING_KINDS
    if run.status == RunStatus.DONE and not is_judged:
        label = "done"
    short = ("rejected", "deferred", "unknown")
    return _Shown(
        run=run,
        tone=tone,
        label=label,
        short=sum(run.contacts.get(name, 0) for name in short),
        counts=run.contacts,
    )


def _alike(failures: Sequence[Failure]) -> list[tuple[Failure, list[str]]]:
    """Return failures that ended alike as one, with the ids of all their contacts."""
    groups: dict[tuple[str, ...], tuple[Failure, list[str]]] = {}
    for each in failures:
        key = (each.outcome, each.code, each.message, each.next_step)
        groups.setdefault(key, (each, []))[1].append(each.contact_id)
    return list(groups.values())


def _bars(minutes: Sequence[MinuteFacts], limit: float | None) -> list[_Bar]:
    """Return the pace of a run as the bars of a small chart."""
    joined = slots(minutes, _BARS)
    highest = max([limit or 0.0, 1.0, *(slot.pace for slot in joined)])
    bars: list[_Bar] = []
    for slot in joined:
        height = round(100 * slot.pace / highest, 1)
        if slot.requests:
            # One request of thousands that are allowed is still to be seen.
            height = max(_LEAST_HEIGHT, height)
        clock, pace = words.clock(slot.begins_at), words.number(slot.pace)
        bars.append(_Bar(height=height, words=f"{clock}: {pace} a minute"))
    return bars


def _codes(minutes: Sequence[MinuteFacts]) -> list[tuple[str, int]]:
    """Return the most frequent codes of these minutes."""
    counts: dict[str, int] = {}
    for minute in minutes:
        for code, number in minute.codes.items():
            counts[code] = counts.get(code, 0) + number
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:10]


def _link(path: str, **query: str | None) -> str:
    """Return an address; parts of the query that are None or empty are left out."""
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _next_failures(page: FailurePage, **kept: str | None) -> str | None:
    """Return the address of the next page of failures; None behind the last one."""
    if page.after is None:
        return None
    last_code, last_contact = page.after
    # An empty code is a value of its own, so it is marked.
    return _link("/failures", **kept, after_code=f"={last_code}", after=last_contact)


def _after(query: Query) -> tuple[str, str] | None:
    if "after" not in query:
        return None
    return query.get("after_code", "").removeprefix("="), query["after"]


def _reason(query: Query) -> Standing:
    given = query.get("reason") or Standing.DEAD_LETTER.value
    try:
        return Standing.known(given)
    except ValueError:
        names = ", ".join(reason.value for reason in Standing)
        raise BadQuestion(
            f'Contacts do not stand for the reason "{given}", only for {names}.'
        ) from None


def _whole_number(query: Query, name: str) -> int | None:
    """Return a number of the address; None without it. Raises BadQuestion."""
    given = query.get(name)
    if not given:
        return None
    # Postgres has no larger number than this in a bigint.
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        raise BadQuestion(f'"{name}" is a whole number, and "{given}" is none.')
    return int(given)


def _public_destination(facts: DestinationFacts) -> dict[str, Json]:
    last_run: dict[str, Json] | None = None
    if facts.last_run is not None:
        last_run = _public_run(facts.last_run)
    return {
        "destination": facts.destination,
        "account": facts.account,
        "vendor": facts.vendor,
        "last_run": last_run,
        "standing": public_standing(facts.standing),
        "lease": facts.holder,
    }


def _public_run(run: RunFacts) -> dict[str, Json]:
    return {
        "run_id": run.run_id,
        "destination": run.destination,
        "kind": run.kind,
        "status": run.present_status.value,
        "started_at": words.iso(run.started_at),
        "ended_at": words.iso_or_none(run.ended_at),
        "seconds": round(run.seconds, 3),
        "contacts": dict(run.contacts),
        "requests": run.so_far("requests"),
        "progress": run.progress,
        "forecast": run.forecast,
        "error": run.error,
    }


def _public_failures(page: FailurePage) -> dict[str, Json]:
    failures = [each.public() for each in page.failures]
    after: list[str] | None = None
    if page.after is not None:
        after = list(page.after)
    return {"failures": failures, "after": after}
