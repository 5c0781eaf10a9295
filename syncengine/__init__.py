"""syncengine keeps the copies of contacts at messaging and CRM vendors in step with a Postgres table."""

__version__ = "0.1.0"
