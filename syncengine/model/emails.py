"""Read e-mail addresses as people write them.

This is the only place that does: mappings, match keys, suppressions and look-ups have
to agree on who is who.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from urllib.parse import unquote

from syncengine.model.http import Json
from syncengine.model.written import NotReadError, unwrapped, visible

_LABEL = re.compile(r"(?:e-?mail|mail)\s*:\s*", re.IGNORECASE)
_NAMED = re.compile(r"([^<>]*)<([^<>]+)>")
_COMMENTED = re.compile(r"([^()]*)\([^()@]*\)")
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\|]+@[^\s@<>(),;:\"\\/?]+")
_PLAIN_ADDRESS = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)+"
)
_AROUND_ADDRESSES = re.compile(r"[\s<>()\[\],;:\"\\?|]+")
_AROUND_DOMAINS = re.compile(r"[\s<>()\[\],;:\"\\?|/=&#'{}!*+]")
_BEFORE_MAILBOXES = re.compile(r"[/=&#{}]")
_QUOTED_MAILBOX = re.compile(r"\"([\w.!#$%&'*+/=?^`{}~-]+)\"(@[^\"@]+)")
_LONGEST_MAILBOX, _LONGEST_DOMAIN = 66, 255
"""Characters, with quotes."""
_LONGEST_ADDRESS = 1000
"""Characters of an address with the name in front of it."""
_ENDS = ";,"
"""Signs that may stand before or behind an address and mean nothing."""
_NOT_ONE_ADDRESS = "is not one e-mail address"


def read_email(value: Json) -> str | None:
    """Return the address in lower case, None for an empty value.

    Raises NotReadError for what is not surely one address.
    """
    if not isinstance(value, str):
        raise NotReadError(_NOT_ONE_ADDRESS)
    if _PLAIN_ADDRESS.fullmatch(value):
        # Most values are in this form already: nothing has to be taken away.
        return value
    if len(value) > _LONGEST_ADDRESS:
        raise NotReadError(_NOT_ONE_ADDRESS)
    text = unwrapped(visible(value), _ENDS)
    if text.lower().startswith("mailto:"):
        address, _, _ = text[len("mailto:") :].partition("?")
        text = unquote(address)
    label = _LABEL.match(text)
    if label is not None:
        text = unwrapped(text[label.end() :], _ENDS)
    text = unwrapped(_without_name(text), _ENDS).removesuffix(".")
    text = _QUOTED_MAILBOX.sub(r"\1\2", text)
    if not text:
        return None
    _, _, domain = text.partition("@")
    if not _ADDRESS.fullmatch(text) or domain.startswith(".") or ".." in domain:
        raise NotReadError(_NOT_ONE_ADDRESS)
    if not all(map(_is_named, text.split("@"))):
        raise NotReadError(f"{_NOT_ONE_ADDRESS}: it has a placeholder")
    # Some keyboards write an ideographic full stop; domains treat it as a dot.
    return text.replace("。", ".").lower()


def _without_name(text: str) -> str:
    """Return the address in ``Ann <ann@x.de>`` or ``ann@x.de (Ann)``.

    Raises NotReadError.
    """
    commented = _COMMENTED.fullmatch(text)
    if commented is not None:
        return commented[1]
    named = _NAMED.fullmatch(text)
    if named is None:
        return text
    address = unwrapped(named[2], _ENDS).removeprefix("mailto:")
    name = unwrapped(named[1], _ENDS)
    # A name that is another address leaves open which of the two is meant.
    if "@" in name and name.lower() != address.lower():
        raise NotReadError(_NOT_ONE_ADDRESS)
    return address


def _is_named(part: str) -> bool:
    """Check that half of an address is not a placeholder: ``*``, ``%`` or ``...``."""
    return "*" not in part and any(map(str.isalnum, part))


def emails_within(text: str) -> frozenset[str]:
    """Return all addresses that occur in a text which is more than one address."""
    plain = visible(unquote(text) if "%40" in text else text)
    parts = plain.split("@")
    found: set[str] = set()
    for left, right in pairwise(parts):
        if not left or not right:
            continue
        domain, *_ = _AROUND_DOMAINS.split(right[:_LONGEST_DOMAIN], maxsplit=1)
        domain = domain.rstrip(".-")
        for mailbox in _mailboxes(left[-_LONGEST_MAILBOX:]):
            found.add(f"{mailbox}@{domain}".lower())
    return frozenset(address for address in found if _ADDRESS.fullmatch(address))


def _mailboxes(text: str) -> tuple[str, str]:
    """Return the mailbox that ends a text, once in full and once without a prefix.

    A prefix is what a link or a query puts before an address: ``to=ann@x.de``.
    """
    full = _AROUND_ADDRESSES.split(text.removesuffix('"'))[-1]
    return full, _BEFORE_MAILBOXES.split(full)[-1].lstrip(".*'+-")


def email_forms(address: str) -> tuple[str, ...]:
    """Return the address with its domain in letters, then its other spellings.

    These are in ASCII, and with accents apart from their letters.
    """
    if address.isascii() and "xn--" not in address:
        return (address,)
    mailbox, _, domain = address.rpartition("@")
    labels = [_label_shown(label) for label in domain.split(".")]
    shown = f"{mailbox}@{'.'.join(labels)}"
    coded = f"{mailbox}@{'.'.join(_label_coded(label) for label in labels)}"
    decomposed = unicodedata.normalize("NFD", shown)
    return tuple(dict.fromkeys((shown, coded, decomposed)))


def _label_shown(label: str) -> str:
    """Return a domain label in letters, as people write it."""
    if not label.startswith("xn--"):
        return label
    try:
        return unicodedata.normalize(
            "NFC", label[4:].encode("ascii").decode("punycode")
        )
    except UnicodeError:
        return label


def _label_coded(label: str) -> str:
    """Return a domain label in ASCII, as the domain name system has it (RFC 3492)."""
    if label.isascii():
        return label
    return "xn--" + label.encode("punycode").decode("ascii")
