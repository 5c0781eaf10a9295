"""Databases for the demo: a scratch database, and a table loaded from CSV files."""
