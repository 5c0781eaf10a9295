"""The contact id of a source key, and its names in messages and commands.

A contact id is the source key as text. A key that is too long to be stored gets an id
that stands for it: its first characters, dots and a hash. A source key can hold
anything, so a message or a command does not simply repeat it.
"""

from __future__ import annotations

import hashlib
import re
import shlex

from syncengine.model.texts import printable

LONGEST_KEY = 500
"""Most characters of a source key or match key. An index of Postgres takes no entry
over 2,704 bytes, and a web server no address over some thousand."""
SHOWN = 40
"""Characters of a longer key with which its contact id begins."""
SHORTENED = SHOWN + len("...") + 64
"""Length of a contact id that stands for a longer key."""
_SHORTENED = re.compile(r".{40}\.\.\.[0-9a-f]{64}", re.DOTALL)


def contact_id_of(key: str) -> str:
    """Return the contact id of a key. No two keys have the same one."""
    # A key that looks like a shortened one is shortened as well, or it could be the
    # contact id of another key.
    if len(key) <= LONGEST_KEY and not is_shortened(key):
        return key
    return f"{key[:SHOWN]}...{hashlib.sha256(key.encode()).hexdigest()}"


def name_of(contact_id: str) -> str:
    """Return the name of a contact in messages.

    It is the id on one line, in quotes where it would be invisible.
    """
    shown = printable(contact_id)
    return shown if shown.strip() else f"'{shown}'"


def name_of_owner(owner: str) -> str:
    """Return the name in messages of a ``destination/contact_id``."""
    destination, _, contact_id = owner.partition("/")
    return f"{destination}/{name_of(contact_id)}"


def as_argument(contact_id: str) -> str:
    """Return the contact id as it is typed in a shell, on one line."""
    if contact_id.isprintable():
        return shlex.quote(contact_id)
    # $'...' is a shell's quoting in which characters may be written as escapes.
    escaped = "".join(_as_typed(character) for character in contact_id)
    return f"$'{escaped}'"


def _as_typed(character: str) -> str:
    r"""Return a character as typed in such quotes: ``\U0000000a`` for a line end."""
    if character in "'\\":
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\U{ord(character):08x}"


def is_shortened(contact_id: str) -> bool:
    """Return whether a contact id stands for a longer key."""
    return len(contact_id) == SHORTENED and _SHORTENED.fullmatch(contact_id) is not None
