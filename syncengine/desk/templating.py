"""Templates of the desk: HTML that escapes every value by itself."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from syncengine.desk import words
from syncengine.model.contact_ids import name_of
from syncengine.model.texts import printable

_CODE = re.compile(r"`([^`]+)`")


@cache
def environment() -> Environment:
    """Return the templates. A name that a page does not have is an error."""
    templates = Environment(
        loader=PackageLoader("syncengine.desk"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "clock": words.clock,
        "code_words": words.code_words,
        "commands": _commands,
        "contact_name": name_of,
        "counted": words.counted,
        "duration": words.duration,
        "iso": words.iso,
        "moment": words.moment,
        "number": words.number,
        "shown": _shown,
        "value": _value,
    }
    return templates


@cache
def stylesheet() -> str:
    """Return the stylesheet that all pages share."""
    folder = resources.files("syncengine.desk").joinpath("templates")
    return folder.joinpath("style.css").read_text(encoding="utf-8")


def _commands(text: str) -> Markup:
    """Return a sentence with what is in backticks marked as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _shown(text: str) -> str:
    """Return a text without characters that are invisible or turn its direction."""
    return printable(text)


def _value(value: object) -> str:
    """Return a JSON value for people."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))
