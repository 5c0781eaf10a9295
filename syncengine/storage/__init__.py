"""Postgres: the only importer of asyncpg."""
