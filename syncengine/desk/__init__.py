"""The operator's desk: reports, pages and metrics over the state, all read-only.

Nothing here opens a database or reads a configuration: ``app`` hands over what was
read, or an object that reads (``ports.DeskState``).
"""
