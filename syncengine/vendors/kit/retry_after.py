"""Read the ``Retry-After`` header (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from collections.abc import Mapping

from syncengine.model.wait_headers import seconds_from_now


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the vendor asks for, in seconds; None when there is none.

    A header in no known form counts as none. A date counts from the answer's own
    ``Date``: adapters have no clock, and the vendor's would not be ours.
    """
    return seconds_from_now(headers.get("retry-after", ""), headers)
