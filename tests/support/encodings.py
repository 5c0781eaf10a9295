"""Every way in which others may repeat a value or a secret."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable, Mapping
from unicodedata import normalize
from urllib.parse import quote_plus


def _percent(text: str, *, every: bool = False) -> str:
    return "".join(
        c if c.isalnum() and c.isascii() and not every else _bytes(c, "%{:02X}")
        for c in text
    )


def _bytes(text: str, form: str) -> str:
    return "".join(form.format(byte) for byte in text.encode())


def _escapes(text: str) -> str:
    units = text.encode("utf-16-be")
    return "".join(
        f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)
    )


def _base64(text: str, before: str = "") -> str:
    return base64.b64encode((before + text + ":").encode()).decode()


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "upper": str.upper,
    "lower": str.lower,
    "percent": _percent,
    "percent, small": lambda text: _percent(text).lower(),
    "percent, every letter": lambda text: _percent(text, every=True),
    "percent, twice": lambda text: _percent(_percent(text)),
    "a plus for a blank": quote_plus,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text))[1:-1],
    "every letter escaped": _escapes,
    "every letter escaped, in capitals": lambda text: (
        _escapes(text).upper().replace("\\U", "\\u")
    ),
    "HTML": html.escape,
    "HTML, every letter": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "HTML, hexadecimal": lambda text: "".join(f"&#x{ord(c):X};" for c in text),
    "NFC": lambda text: normalize("NFC", text),
    "NFD": lambda text: normalize("NFD", text),
    "Base64": _base64,
    "Base64 behind one letter": lambda text: _base64(text, "k"),
    "Base64 behind a login": lambda text: _base64(text, "me"),
    "Base64 for URLs": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "the first two thirds": lambda text: text[: -(-2 * len(text) // 3)],
    "the last two thirds": lambda text: text[len(text) // 3 :],
    "zero widths": "\u200b".join,
}
