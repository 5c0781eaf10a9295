"""Lines of text files that people hand over, in whatever encoding a sheet saves."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from syncengine.errors import ConfigError, Problem
from syncengine.input_files import read_handed_over

_LINE_END = re.compile("\r\n|\r|\n")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""The longer ones come first: that of UTF-32 LE begins with that of UTF-16 LE."""


def lines_of(path: Path | None) -> tuple[str, ...]:
    """Return all lines of a file, or of standard input ("-"), empty ones too.

    Without a path there are none. Raises ConfigError for a file that cannot be read.
    """
    if path is None:
        return ()
    raw = read_handed_over(path)
    try:
        text = _decoded(raw)
    except UnicodeError as error:
        what = f"cannot be read: {error}; save it as text in UTF-8"
        raise ConfigError([Problem(str(path), what)]) from None
    return tuple(_LINE_END.split(text.removeprefix("\ufeff")))


def _decoded(raw: bytes) -> str:
    """Return a file's text. Raises UnicodeError that says what the file is."""
    encoding = _encoding_by_mark(raw)
    # In UTF-16 without a mark about every second byte of Western text is zero.
    many_zero_bytes = raw.count(0) * 4 >= len(raw) > 0
    if encoding is None and many_zero_bytes:
        raise UnicodeError("it looks like UTF-16 without a byte order mark")
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding is not None:
            what = f"it begins as {encoding} and does not go on so"
        else:
            what = "it is neither UTF-8 nor UTF-16 with a byte order mark"
        raise UnicodeError(what) from None


def _encoding_by_mark(raw: bytes) -> str | None:
    for mark, name in _BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            return name
    return None
