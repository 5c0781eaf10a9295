"""Sync of contacts from a Postgres table to messaging and CRM vendors."""

from __future__ import annotations

__version__ = "0.1.0"
