"""Phone numbers as the sandbox compares them."""

from __future__ import annotations


def digits(phone: str) -> str:
    """Return the digits of a phone number, without ``+``, spaces and dashes."""
    return "".join(filter(str.isdecimal, phone))
