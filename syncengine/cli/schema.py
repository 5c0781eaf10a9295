"""``syncengine schema``: for changes to the configuration's models or a new vendor."""

from __future__ import annotations

from syncengine.cli.terminal import out


def schema() -> int:
    """Print the JSON Schema of the configuration's files, for editors."""
    # Nothing else needs it, and it takes long to import.
    from syncengine.config.schema import as_text  # noqa: PLC0415

    out.print(as_text(), end="", markup=False, soft_wrap=True)
    return 0
