"""``syncengine schema``: for those who change the configuration's models or add a vendor."""

from __future__ import annotations

import sys


def schema() -> int:
    """Print the JSON Schema of the configuration's files (``config/schema.json``)."""
    from syncengine.config_schema import as_text  # noqa: PLC0415 - nobody else needs it

    sys.stdout.write(as_text())
    return 0
