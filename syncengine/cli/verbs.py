"""Importing this registers every verb."""

from __future__ import annotations

from syncengine.cli import check, migrate, plan, run, sandbox

__all__ = ["check", "migrate", "plan", "run", "sandbox"]
