"""Read e-mail addresses as people write them.

This is the only place that does: mappings, match keys, suppressions and look-ups have
to agree on who is who. Three questions are answered:

- Which address is this value? ``read_email`` takes away what people, mail programs and
  spreadsheets put around one (``Ann <ANN@x.de>;`` is ``ann@x.de``), and refuses what is
  not surely a single address. It does not check that the address exists.
- Which addresses does this text mention? ``emails_within``, for suppressions: it finds
  too many rather than too few.
- How else may the same address be spelled? ``email_forms``, for domains with letters
  beyond ASCII.

Upper and lower case are taken for the same in both halves, as every mail service does.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from urllib.parse import unquote

from syncengine.model.http import Json
from syncengine.model.written import NotReadError, unwrapped, visible

_LABEL = re.compile(r"(?:e-?mail|mail)\s*:\s*", re.IGNORECASE)
"""A label before an address, as in ``E-Mail: ann@x.de``."""
_NAMED = re.compile(r"([^<>]*)<([^<>]+)>")
"""A name, then an address in angle brackets."""
_COMMENTED = re.compile(r"([^()]*)\([^()@]*\)")
"""An address, then a comment in parentheses that is no address itself."""
_ADDRESS = re.compile(r"[^\s@<>()\[\],;:\"\\|]+@[^\s@<>(),;:\"\\/?]+")
"""One address, in whatever letters. The mailbox (before the @) may have signs that a
domain cannot have."""
_PLAIN_ADDRESS = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)+"
)
"""An address that is in its usual form already."""
_AROUND_ADDRESSES = re.compile(r"[\s<>()\[\],;:\"\\?|]+")
_AROUND_DOMAINS = re.compile(r"[\s<>()\[\],;:\"\\?|/=&#'{}!*+]")
_BEFORE_MAILBOXES = re.compile(r"[/=&#{}]")
"""Signs that a mailbox may have, and that more often separate it from what is before
it, as in ``https://x.de/?to=ann@x.de``."""
_QUOTED_MAILBOX = re.compile(r"\"([\w.!#$%&'*+/=?^`{}~-]+)\"(@[^\"@]+)")
"""A mailbox in quotes that it does not need: ``"ann"@x.de``."""
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
    text = _bare_address(value)
    if not text:
        return None
    _, _, domain = text.partition("@")
    has_empty_label = domain.startswith(".") or ".." in domain
    if has_empty_label or not _ADDRESS.fullmatch(text):
        raise NotReadError(_NOT_ONE_ADDRESS)
    if any(_is_placeholder(half) for half in text.split("@")):
        raise NotReadError(f"{_NOT_ONE_ADDRESS}: it has a placeholder")
    # Some keyboards write an ideographic full stop; domains treat it as a dot.
    return text.replace("。", ".").lower()


def _bare_address(value: str) -> str:
    """Return a value without what is put around an address; empty where that is all.

    What is left need not be an address. Raises NotReadError.
    """
    text = unwrapped(visible(value), _ENDS)
    if text.lower().startswith("mailto:"):
        # A link may go on with a subject or a body: ``mailto:ann@x.de?subject=Hi``.
        address, _, _ = text[len("mailto:") :].partition("?")
        text = unquote(address)
    label = _LABEL.match(text)
    if label is not None:
        text = unwrapped(text[label.end() :], _ENDS)
    text = unwrapped(_without_name(text), _ENDS)
    # A dot that ends a sentence, or the root of the domain name system.
    text = text.removesuffix(".")
    return _QUOTED_MAILBOX.sub(r"\1\2", text)


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


def _is_placeholder(half: str) -> bool:
    """Return whether half of an address names nothing, such as ``***`` or ``...``."""
    if "*" in half:
        return True
    return not any(character.isalnum() for character in half)


def emails_within(text: str) -> frozenset[str]:
    """Return all addresses that occur in a text which is more than one address.

    Each pair of texts around an @ is looked at: its left one ends with a mailbox, its
    right one begins with a domain. The lengths are cut to what an address can have, so
    that a long text costs no more than its length.
    """
    # An address in a link may be percent-encoded.
    plain = visible(unquote(text) if "%40" in text else text)
    found: set[str] = set()
    for left, right in pairwise(plain.split("@")):
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
    without_prefix = _BEFORE_MAILBOXES.split(full)[-1].lstrip(".*'+-")
    return full, without_prefix


def email_forms(address: str) -> tuple[str, ...]:
    """Return the address with its domain in letters, then its other spellings.

    ``ann@müller.de`` is ``ann@xn--mller-kva.de`` to the domain name system, and some
    systems write the accents apart from their letters (Unicode's NFD).
    """
    if address.isascii() and "xn--" not in address:
        # Nearly every address: it has one spelling.
        return (address,)
    mailbox, _, domain = address.rpartition("@")
    shown_labels = [_label_shown(label) for label in domain.split(".")]
    coded_labels = [_label_coded(label) for label in shown_labels]
    shown = f"{mailbox}@{'.'.join(shown_labels)}"
    coded = f"{mailbox}@{'.'.join(coded_labels)}"
    decomposed = unicodedata.normalize("NFD", shown)
    return tuple(dict.fromkeys((shown, coded, decomposed)))


def _label_shown(label: str) -> str:
    """Return a domain label in letters, as people write it.

    ``xn--mller-kva`` is ``müller``. One that cannot be decoded stays as it is.
    """
    if not label.startswith("xn--"):
        return label
    coded = label.removeprefix("xn--")
    try:
        letters = coded.encode("ascii").decode("punycode")
    except UnicodeError:
        return label
    return unicodedata.normalize("NFC", letters)


def _label_coded(label: str) -> str:
    """Return a domain label in ASCII, as the domain name system has it (RFC 3492)."""
    if label.isascii():
        return label
    return "xn--" + label.encode("punycode").decode("ascii")
