"""Words of the desk: numbers, durations, moments, and the state of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from syncengine.model.reports import RunStatus
from syncengine.model.run_record import RunFacts
from syncengine.model.work import Standing


class Tone(StrEnum):
    """Tone of a piece of news, good or bad; shown as a colour beside the words."""

    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict on a run: what happened, if its copies are in step, and what to do."""

    tone: Tone
    label: str
    """One or two words: the state at a glance."""
    headline: str
    next_step: str


def number(value: float) -> str:
    """Return a number with separators: ``10,000``."""
    return f"{value:,.0f}"


def counted(value: int, noun: str, nouns: str | None = None) -> str:
    """Return a number with its noun: ``1 contact``, ``2,000 contacts``."""
    if value == 1:
        return f"1 {noun}"
    return f"{number(value)} {nouns or noun + 's'}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them: ``8 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s"


def short_duration(seconds: float) -> str:
    """Return seconds as ``duration`` does, without the seconds of many minutes."""
    if 600 <= seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return duration(seconds)


def moment(at: datetime) -> str:
    """Return a moment in the time zone of this process: ``2026-11-28 02:30 CET``."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M %Z")


def clock(at: datetime) -> str:
    """Return the time of day of a moment, in the time zone of this process."""
    return at.astimezone().strftime("%H:%M")


def iso(at: datetime) -> str:
    """Return a moment for programs, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="seconds")


def iso_or_none(at: datetime | None) -> str | None:
    """Return a moment for programs, in UTC; None where there is none."""
    return None if at is None else iso(at)


class _ByReason(dict[Standing, str]):
    """Texts about reasons, with a way to make one for a newer release's reason."""

    def __init__(
        self, texts: Mapping[Standing, str], of_other: Callable[[Standing], str]
    ) -> None:
        super().__init__(texts)
        self._of_other = of_other

    def __missing__(self, reason: Standing) -> str:
        return self._of_other(reason)


def _word_itself(reason: Standing) -> str:
    return reason.value


def _ask_the_newer_release(_: Standing) -> str:
    return (
        "A newer release of syncengine leaves them alone for this reason. Upgrade this "
        "one, or ask `syncengine failures` where the newer one is."
    )


_STANDING_WORDS = {
    Standing.DEAD_LETTER: "Dead letters",
    Standing.GONE: "Gone at the vendor",
    Standing.UNSUPPORTED: "Unsupported",
    Standing.SUPPRESSED: "Suppressed",
    Standing.OPTED_OUT: "Opted out",
}
STANDING_WORDS = _ByReason(_STANDING_WORDS, _word_itself)
"""Reasons why contacts stand, in the order in which they are shown."""

ONE_STANDING = _ByReason(
    {**STANDING_WORDS, Standing.DEAD_LETTER: "Dead letter"}, _word_itself
)
"""The same about a single contact."""

_STANDING_STEPS = {
    Standing.DEAD_LETTER: (
        "Refused three times with the same row, or like many others. Correct the rows "
        "or the mapping; `syncengine retry --dead -d {destination}` tries them again now."
    ),
    Standing.GONE: (
        "Somebody deleted them at the vendor. They come back when they are found there "
        "again; `syncengine run -d {destination} --contact ID` creates one again."
    ),
    Standing.UNSUPPORTED: (
        "In step but for what this vendor cannot express. Nothing to do, unless the "
        "mapping should not ask for it."
    ),
    Standing.SUPPRESSED: (
        "A suppression or an erasure forbids to send anything about them. Nothing to do."
    ),
    Standing.OPTED_OUT: (
        "Their row says that they opted out. Nothing is sent until it says otherwise."
    ),
}
STANDING_STEPS = _ByReason(_STANDING_STEPS, _ask_the_newer_release)
"""Meaning of each reason, and what to do about it."""

OUTCOME_STEPS = {
    "rejected": (
        "Refused; tried again by the next run, and left alone after three refusals of "
        "the same row."
    ),
    "unknown": "Sent, and the answer was lost. The next run looks them up first.",
    "deferred": "Never judged. The next run tries them again; it counts against nobody.",
    "unsupported": "The vendor cannot express the change.",
    "suppressed": "Nothing may be sent about them.",
    "gone": "Deleted at the vendor by somebody else.",
}
"""What each outcome means for the next run."""

CODE_WORDS = {
    "invalid_value": "a value is not in the form of its field",
    "no_match_key": "the row has no value in any field of match_on",
    "duplicate_match_key": "another row owns this match key",
    "key_held": "another contact has this match key at the vendor",
    "ambiguous_match": "the vendor has several contacts with this match key",
    "other_id": "the vendor answered with the id of another contact",
    "not_found": "the vendor does not know the contact",
    "same_person": "a phone or address of somebody who was suppressed",
    "account_stopped": "the account was halted before it was judged",
    "stopped": "the run ended before its turn",
    "remove_tag": "the vendor cannot take a tag away",
    "moved": "the phone or address belongs to another contact now",
}
"""What codes mean that are no sentence by themselves."""

SENDING_KINDS = ("sync", "backfill", "retry", "resync", "undo")
"""Kinds of runs whose report counts contacts by outcome."""


def code_words(code: str) -> str:
    """Return what a code means; empty where it says so itself."""
    if code.startswith("http_"):
        return f"the vendor answered with status {code.removeprefix('http_')}"
    return CODE_WORDS.get(code, "")


def verdict(run: RunFacts) -> Verdict:
    """Return what a person should know of a run before anything else."""
    match run.status:
        case RunStatus.RUNNING:
            return _of_running(run)
        case RunStatus.DONE:
            return _of_done(run)
        case RunStatus.INCOMPLETE:
            return _of_incomplete(run)
        case _:
            return _of_ended(run)


def _of_running(run: RunFacts) -> Verdict:
    # It has not been ended, and nobody renews its lease.
    if run.holder is None:
        return Verdict(
            Tone.BAD,
            "Died",
            "The process of this run ended without a word.",
            "Start a run: it settles what this one has sent, and goes on.",
        )
    done, total = progress_of(run)
    if total is None:
        headline = "The run is under way, and still finding what there is to do."
    else:
        headline = (
            f"The run is under way: {number(done)} of {counted(total, 'contact')} "
            "are through."
        )
    return Verdict(
        Tone.INFO,
        "Under way",
        headline,
        f"`syncengine watch {run.run_id}` follows it in a terminal.",
    )


def progress_of(run: RunFacts) -> tuple[int, int | None]:
    """Return how many contacts of a run under way are through, and of how many."""
    progress = run.progress or {}
    done, total = progress.get("done"), progress.get("total")
    if not isinstance(done, int):
        done = 0
    if not isinstance(total, int):
        # The contacts are still being found.
        total = None
    return done, total


def _of_done(run: RunFacts) -> Verdict:
    if run.kind not in SENDING_KINDS:
        return Verdict(
            Tone.GOOD, "Done", f"The {run.kind} is done.", "Nothing is to be done."
        )
    standing = sum((run.standing or {}).values())
    stands = ""
    next_step = "Nothing is to be done."
    if standing:
        stands = f" {_left_alone(standing)}"
        next_step = "Nothing is urgent. Standing contacts are listed below."
    changed = run.contacts.get("changed", 0)
    if changed:
        applied = run.contacts.get("applied", 0)
        headline = f"In step: {counted(applied, 'contact')} brought up to date."
    else:
        headline = "In step: nothing had changed, and nothing was sent."
    return Verdict(Tone.GOOD, "In step", headline + stands, next_step)


def _left_alone(contacts: int) -> str:
    if contacts == 1:
        return "1 contact is left alone for a reason."
    return f"{number(contacts)} contacts are left alone for a reason."


def _of_incomplete(run: RunFacts) -> Verdict:
    if run.kind not in SENDING_KINDS:
        return Verdict(
            Tone.WARN,
            "Incomplete",
            f"The {run.kind} left something to look at.",
            run.error or f"`syncengine {run.kind}` tells what.",
        )
    short = run.fell_short
    applied = run.contacts.get("applied", 0)
    headline = (
        f"{counted(short, 'contact')} not in step yet; {number(applied)} brought up to "
        "date."
    )
    if run.contacts.get("rejected", 0):
        next_step = (
            "Look at the errors below. The next run tries again by itself; "
            f"`syncengine retry {run.run_id}` does so now."
        )
    else:
        next_step = (
            "Nothing yet: the next run tries again by itself. Look closer if it happens "
            "again."
        )
    return Verdict(Tone.WARN, "Not in step", headline, next_step)


def _of_ended(run: RunFacts) -> Verdict:
    """Return the verdict of a run that did not get to its end."""
    applied, changed = run.contacts.get("applied", 0), run.contacts.get("changed", 0)
    through = f"after {number(applied)} of {counted(changed, 'contact')}"
    goes_on = "The next run goes on where this one ended."
    match run.status:
        case RunStatus.HALTED:
            return Verdict(
                Tone.BAD,
                "Halted",
                f"The account was halted {through}.",
                f"Correct what the message below names. {goes_on}",
            )
        case RunStatus.STOPPED:
            return Verdict(
                Tone.WARN, "Stopped", f"Somebody stopped the run {through}.", goes_on
            )
        case RunStatus.DIED:
            return Verdict(
                Tone.BAD,
                "Died",
                "The process of this run ended without a word.",
                "The runs after it settle what it left.",
            )
        case RunStatus.REFUSED | RunStatus.HELD:
            return Verdict(
                Tone.BAD,
                "Refused",
                "Nothing was sent.",
                "Correct what the message below names, then run again.",
            )
        case _:
            return Verdict(
                Tone.INFO, str(run.status), f"The {run.kind} ended: {run.status}.", ""
            )
