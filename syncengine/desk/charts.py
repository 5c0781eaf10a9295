"""Charts of a run as SVG, drawn by matplotlib (the extra ``report``).

matplotlib writes colours and fonts into every element. They are taken out again, and
parts of a chart get the names of classes instead: so the page's stylesheet decides how
they look, in daylight, in the dark and on paper, and no style stands in an attribute.
The same numbers always give the same text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from syncengine.desk.timeline import TimeSlot, outcomes_of
from syncengine.desk.words import clock, duration, moment, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SVG = "http://www.w3.org/2000/svg"
_CLASS = "c-"
"""How the group ids begin that become classes."""
_POINTS = 72
_NUMBER = re.compile(r"-?\d+\.\d+")
_ROOM_ABOVE = 1.12
"""The height of a chart, as a multiple of what is highest in it."""


@dataclass(frozen=True, slots=True)
class ChartSize:
    """The size of a drawing, in points, and how much of it a scale may use."""

    name: str
    width: int
    height: int
    ticks: int
    """Most labels below the chart."""


WIDE = ChartSize("wide", 720, 220, 8)
NARROW = ChartSize("narrow", 350, 200, 4)
SIZES = (WIDE, NARROW)
"""Every chart is drawn for a desk and for a phone: scaled down, its letters would be
too small to read."""


def can_draw() -> bool:
    """Return whether matplotlib is installed."""
    try:
        import matplotlib  # noqa: F401, ICN001, PLC0415 - an extra, and slow to import
    except ImportError:
        return False
    return True


def pace_chart(timeline: Sequence[TimeSlot], limit: float | None) -> list[str]:
    """Return a chart of the requests a minute, with the limit, in each size."""
    title = "Requests a minute"
    if limit is not None:
        title += f", against the limit of {number(limit)}"
    highest = max(slot.pace for slot in timeline)
    about = (
        f"From {moment(timeline[0].begins_at)}, {duration(_seconds(timeline))} long. "
        f"At most {number(highest)} requests a minute."
    )

    def draw(axes: Axes) -> float:
        edges, paces = _edges(timeline), [slot.pace for slot in timeline]
        axes.stairs(paces, edges, fill=True, gid=f"{_CLASS}pace", clip_on=False)
        if limit is None:
            return highest
        axes.axhline(limit, gid=f"{_CLASS}limit", clip_on=False)
        return max(highest, limit)

    return [_drawn("pace", size, title, about, timeline, draw) for size in SIZES]


def outcome_chart(timeline: Sequence[TimeSlot]) -> list[str]:
    """Return a chart of how contacts ended over time, in each size."""
    names = outcomes_of(timeline)
    totals = [sum(slot.outcomes.get(name, 0) for slot in timeline) for name in names]
    about = ", ".join(
        f"{number(total)} {name}" for name, total in zip(names, totals, strict=True)
    )

    def draw(axes: Axes) -> float:
        edges = _edges(timeline)
        below = [0.0] * len(timeline)
        for name in names:
            # Each outcome lies on top of those before it: together they are all
            # contacts.
            above = [
                base + slot.outcomes.get(name, 0) / slot.minutes
                for base, slot in zip(below, timeline, strict=True)
            ]
            axes.stairs(
                above,
                edges,
                baseline=below,
                fill=True,
                gid=f"{_CLASS}{name}",
                clip_on=False,
            )
            below = above
        return max(below)

    title = "Contacts a minute, by outcome"
    return [_drawn("outcomes", size, title, about, timeline, draw) for size in SIZES]


def _edges(timeline: Sequence[TimeSlot]) -> list[float]:
    """Return where slots begin and the last one ends, in minutes."""
    first = timeline[0].begins_at
    begins = [(slot.begins_at - first).total_seconds() / 60 for slot in timeline]
    return [*begins, begins[-1] + timeline[-1].minutes]


def _seconds(timeline: Sequence[TimeSlot]) -> float:
    return 60.0 * sum(slot.minutes for slot in timeline)


def _drawn(
    name: str,
    size: ChartSize,
    title: str,
    about: str,
    timeline: Sequence[TimeSlot],
    draw: Callable[[Axes], float],
) -> str:
    """Return one chart as SVG; ``draw`` returns how high it is."""
    # An extra, and slow to import. ``Figure`` alone: pyplot has a state of the process.
    from matplotlib import rc_context, rcdefaults, rcParams  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with rc_context():
        # Whatever this user's matplotlibrc says.
        rcdefaults()
        rcParams["svg.hashsalt"] = name
        rcParams["svg.fonttype"] = "none"
        rcParams["path.simplify"] = False
        figure = Figure(figsize=(size.width / _POINTS, size.height / _POINTS))
        left, right, below = 44, 12, 26
        axes = figure.add_axes(
            (
                left / size.width,
                below / size.height,
                1 - (left + right) / size.width,
                1 - (below + 10) / size.height,
            )
        )
        height = max(1.0, draw(axes) * _ROOM_ABOVE)
        _scale(axes, timeline, size, height)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return _for_the_page(written.getvalue(), f"{name}-{size.name}", size, title, about)


def _scale(
    axes: Axes, timeline: Sequence[TimeSlot], size: ChartSize, height: float
) -> None:
    """Draw the scales of a chart, and nothing else around it."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator  # noqa: PLC0415

    edges = _edges(timeline)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, height)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0, pad=7)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.grid(axis="y", gid=f"{_CLASS}grid")
    axes.set_axisbelow(True)
    places = list(_tick_places(timeline, size.ticks))
    first = timeline[0].begins_at
    labels = [clock(first + timedelta(minutes=place)) for place in places]
    axes.set_xticks(places, labels)


def _tick_places(timeline: Sequence[TimeSlot], most: int) -> Iterator[float]:
    """Yield the minutes below which a time is written."""
    edges = _edges(timeline)
    step = max(1, -(-len(edges) // most))
    # The last one is left out where its label would touch that before it.
    yield from edges[:-1:step]


def _for_the_page(
    drawn: str, name: str, size: ChartSize, title: str, about: str
) -> str:
    """Return a drawing as it stands in a page: short, and coloured by the page."""
    root = ET.fromstring(drawn)  # noqa: S314 - drawn here, by matplotlib
    picture = ET.Element("svg")
    picture.attrib = {
        "class": f"chart chart-{size.name}",
        "viewBox": f"0 0 {size.width} {size.height}",
        "role": "img",
        "aria-labelledby": f"{name}-title {name}-about",
    }
    for tag, text in (("title", title), ("desc", about)):
        ending = "about" if tag == "desc" else "title"
        label = ET.SubElement(picture, tag, {"id": f"{name}-{ending}"})
        label.text = text
    for group in root.iter(f"{{{_SVG}}}g"):
        group_id = group.get("id", "")
        if group_id.startswith(_CLASS):
            _copy_paths(group, picture, group_id)
    for written in root.iter(f"{{{_SVG}}}text"):
        _copy_text(written, picture)
    return ET.tostring(picture, encoding="unicode")


def _copy_paths(group: ET.Element, picture: ET.Element, name: str) -> None:
    for path in group.iter(f"{{{_SVG}}}path"):
        places = " ".join(path.get("d", "").split())
        attributes = {"class": name, "d": _NUMBER.sub(_rounded, places)}
        ET.SubElement(picture, "path", attributes)


def _copy_text(text: ET.Element, picture: ET.Element) -> None:
    attributes = {name: _NUMBER.sub(_rounded, text.get(name, "0")) for name in "xy"}
    for anchor in ("middle", "end"):
        if f"text-anchor: {anchor}" in text.get("style", ""):
            attributes["text-anchor"] = anchor
    ET.SubElement(picture, "text", attributes).text = text.text


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")
