"""Bounds on what is sent and read, so that an echo can always be read.

What a contact may hold fits, with room to spare, into the answer that repeats it.
"""

from __future__ import annotations

DEEPEST_VALUE = 32
"""Levels of nesting that a value of a row may have."""
DEEPEST_ANSWER = 64
"""Levels of nesting that an answer may have. A body puts a value into lists and objects
of its own."""

LONGEST_ROW = 100_000
"""Characters of JSON that the mapped columns of one row may have together."""
ONE_BYTES = 2 * 1024 * 1024
"""Bytes that an answer about one contact may have, unpacked. A character may come back
as two escapes of six bytes."""
MANY_BYTES = 4 * 1024 * 1024
"""Bytes that an answer about many contacts may have, unpacked."""
MOST_PARTS = 125_000
"""Commas, lists and objects that one answer may have. A page of 200 contacts has some
20,000, and a row at most one for each of its characters."""

LONGEST_NAME = 10_000
"""Characters of the name of a tag or a list, at the vendor as here."""
