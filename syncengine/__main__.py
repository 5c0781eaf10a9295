"""``python -m syncengine`` and the installed command."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code.

    Everything is imported here rather than at the top: the streams have to be prepared
    before anything else can open a file.
    """
    from syncengine.cli.streams import prepare_streams  # noqa: PLC0415

    # A file opened before this would take the number of a stream that was closed.
    prepare_streams()

    from syncengine.cli import verbs  # noqa: F401, PLC0415 - registers the verbs
    from syncengine.cli.errors_in_words import complain_with_traceback  # noqa: PLC0415
    from syncengine.cli.root import main as run_command  # noqa: PLC0415

    try:
        return run_command()
    except Exception as error:  # noqa: BLE001 - only with SYNCENGINE_DEBUG
        # Python itself would print names and words with their control characters.
        complain_with_traceback(error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
