"""Importing this registers every verb."""

from __future__ import annotations

from syncengine.cli import adopt, check, demo, merge, migrate, plan, run, sandbox, schema, show, verify

__all__ = ["adopt", "check", "demo", "merge", "migrate", "plan", "run", "sandbox", "schema", "show", "verify"]
