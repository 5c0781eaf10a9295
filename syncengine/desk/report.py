"""The report of one run: a page that stands by itself, to be forwarded and printed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from syncengine.desk import charts
from syncengine.desk.templating import environment, stylesheet
from syncengine.desk.timeline import TimeSlot, outcomes_of, slots
from syncengine.desk.words import (
    OUTCOME_STEPS,
    STANDING_STEPS,
    STANDING_WORDS,
    Tone,
    counted,
    duration,
    number,
    short_duration,
    verdict,
)
from syncengine.model.run_record import (
    OUTCOMES,
    FailureKind,
    RunFacts,
    RunRecord,
    StandingKind,
)
from syncengine.model.work import Standing

_INDENTATION = re.compile(r"\n\s+")
_MOST_POINTS = 180
"""Slots of a chart."""
_LEAST_POINTS = 2
"""Slots without which a chart shows nothing that a table does not."""
_MOST_ROWS = 36
"""Rows of the table with the same numbers: it fits on a printed page."""

OUTCOME_TONES = {
    "applied": Tone.GOOD,
    "rejected": Tone.BAD,
    "unknown": Tone.WARN,
    "deferred": Tone.WARN,
    "unsupported": Tone.INFO,
    "suppressed": Tone.INFO,
    "gone": Tone.INFO,
    "probed": Tone.INFO,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of a run that is read at a glance."""

    label: str
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ForecastRow:
    """A number that was forecast, next to what became of it."""

    label: str
    forecast: str
    fact: str


@dataclass(frozen=True, slots=True)
class _Charts:
    pace: Sequence[Markup]
    outcomes: Sequence[Markup]


def render_report(record: RunRecord, *, version: str, with_values: bool) -> str:
    """Return the page. It has charts where matplotlib is installed."""
    run = record.run
    timeline = slots(record.minutes, _MOST_ROWS)
    limit = limit_a_minute(run)
    page = (
        environment()
        .get_template("report.html")
        .render(
            record=record,
            verdict=verdict(run),
            figures=figures(run),
            timeline=timeline,
            outcomes=outcomes_of(timeline),
            limit=limit,
            pace_words=_pace_words(timeline, limit),
            charts=_charts(record, limit),
            # A short run has no charts in any case: then nothing is said of matplotlib.
            lacks_charts=len(timeline) >= _LEAST_POINTS and not charts.can_draw(),
            tones=OUTCOME_TONES,
            steps=OUTCOME_STEPS,
            failures=_by_outcome(record.failures),
            standing=_by_reason(record.standing),
            standing_words=STANDING_WORDS,
            standing_steps=STANDING_STEPS,
            forecast=forecast_rows(run),
            stylesheet=Markup(stylesheet()),  # noqa: S704 - a file of this package
            version=version,
            with_values=with_values,
        )
    )
    # What indents the template says nothing to a browser, and is a third of a page.
    return _INDENTATION.sub("\n", page)


def figures(run: RunFacts) -> list[Figure]:
    """Return the numbers of a run, those first that a person looks for first."""
    shown: list[Figure] = []
    counts = run.contacts
    if counts:
        shown.append(Figure("contacts to do", number(counts.get("changed", 0))))
    for outcome in OUTCOMES:
        count = counts.get(outcome, 0)
        # The others are shown only where there are some.
        if count or (counts and outcome in ("applied", "rejected")):
            figure = Figure(outcome, number(count))
            tone = OUTCOME_TONES[outcome]
            # Good news needs no colour, and neither does a zero of bad news.
            if count > 0 and tone in (Tone.BAD, Tone.WARN):
                figure = replace(figure, tone=tone)
            shown.append(figure)
    shown.append(Figure("requests", number(run.so_far("requests"))))
    throttled = run.so_far("throttled")
    if throttled:
        shown.append(Figure("times throttled", number(throttled), Tone.WARN))
    label = "so far" if run.ended_at is None else "took"
    shown.append(Figure(label, short_duration(run.seconds)))
    return shown


def limit_a_minute(run: RunFacts) -> float | None:
    """Return the requests a minute that the binding limit allows, where one is known."""
    progress, forecast = run.progress or {}, run.forecast or {}
    # The progress goes by the methods that were used, the forecast by those expected.
    limit = progress.get("limit") or forecast.get("limit")
    if not isinstance(limit, Mapping):
        return None
    calls, seconds = limit.get("calls"), limit.get("per")
    # What is stored may be of another release: of its form nothing is taken for
    # granted.
    if not isinstance(calls, int | float) or not isinstance(seconds, int | float):
        return None
    return 60.0 * calls / seconds if seconds > 0 else None


def _by_outcome(
    failures: Sequence[FailureKind],
) -> list[tuple[str, list[FailureKind]]]:
    """Return the kinds of failures by outcome, in their order."""
    groups: dict[str, list[FailureKind]] = {}
    for each in failures:
        groups.setdefault(each.outcome, []).append(each)
    return list(groups.items())


def _by_reason(
    standing: Sequence[StandingKind],
) -> list[tuple[Standing, list[StandingKind]]]:
    """Return the kinds of standing contacts by reason, in their order."""
    groups: dict[Standing, list[StandingKind]] = {}
    for each in standing:
        groups.setdefault(each.reason, []).append(each)
    return list(groups.items())


def _pace_words(timeline: Sequence[TimeSlot], limit: float | None) -> str:
    """Return how fast the run was, in one or two sentences."""
    minutes = sum(slot.minutes for slot in timeline)
    requests = sum(slot.requests for slot in timeline)
    busiest = max((slot.busiest for slot in timeline), default=0)
    said = (
        f"{counted(requests, 'request')} in {counted(minutes, 'minute')}; the busiest "
        f"minute had {number(busiest)}."
    )
    if limit is not None:
        said += f" The limit is {number(limit)} a minute."
    throttled = sum(slot.throttled for slot in timeline)
    if throttled:
        times = "once" if throttled == 1 else f"{number(throttled)} times"
        said += f" The vendor said {times} that it was too fast."
    return said


def _charts(record: RunRecord, limit: float | None) -> _Charts | None:
    """Return the charts; None without matplotlib, or for a single minute."""
    points = slots(record.minutes, _MOST_POINTS)
    if len(points) < _LEAST_POINTS or not charts.can_draw():
        return None
    outcomes: list[str] = []
    if any(slot.contacts for slot in points):
        outcomes = charts.outcome_chart(points)
    # What is drawn is escaped as XML already.
    return _Charts(
        pace=[Markup(each) for each in charts.pace_chart(points, limit)],  # noqa: S704
        outcomes=[Markup(each) for each in outcomes],  # noqa: S704
    )


def forecast_rows(run: RunFacts) -> list[ForecastRow]:
    """Return what the run expected of itself, next to what became of it.

    The forecast carries both, once the run is over (``model.run_forecast``).
    """
    forecast = run.forecast or {}
    rows: list[ForecastRow] = []
    for name in ("calls", "requests"):
        expected, made = forecast.get(name), forecast.get(f"{name}_made")
        # A run that was killed has a forecast, and nothing to compare it with.
        if isinstance(expected, int | float) and isinstance(made, int | float):
            rows.append(ForecastRow(name, number(expected), number(made)))
    expected, made = forecast.get("seconds"), forecast.get("seconds_made")
    if isinstance(expected, int | float) and isinstance(made, int | float):
        rows.append(ForecastRow("time", duration(expected), duration(made)))
    return rows
