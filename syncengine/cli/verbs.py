"""Importing this registers every verb."""

from __future__ import annotations

from syncengine.cli import (
    adopt,
    check,
    demo,
    forget,
    merge,
    migrate,
    plan,
    prune,
    run,
    sandbox,
    schema,
    show,
    suppress,
    verify,
)

__all__ = [
    "adopt",
    "check",
    "demo",
    "forget",
    "merge",
    "migrate",
    "plan",
    "prune",
    "run",
    "sandbox",
    "schema",
    "show",
    "suppress",
    "verify",
]
