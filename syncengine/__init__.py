"""syncengine keeps the copies of contacts at messaging and CRM vendors in step with a Postgres table."""

from __future__ import annotations

__version__ = "0.1.0"
