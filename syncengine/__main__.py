"""``python -m syncengine`` and the installed command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    from syncengine.cli.streams import prepare_streams  # noqa: PLC0415

    prepare_streams()  # before anything opens a file, which would take their numbers
    from syncengine.cli import verbs  # noqa: F401, PLC0415 - registers the verbs
    from syncengine.cli.root import main as run  # noqa: PLC0415 - imported late, so that a broken install says so
    from syncengine.cli.root import tell_whole  # noqa: PLC0415

    try:
        return run()
    except Exception as error:  # noqa: BLE001 - Python itself would print names and words as they are
        tell_whole(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
