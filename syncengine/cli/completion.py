"""``syncengine completion``."""

from __future__ import annotations

from typing import Literal

from syncengine.cli import exits
from syncengine.cli.root import app
from syncengine.cli.terminal import write_out


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script with which your shell completes verbs and options.

    Parameters
    ----------
    shell
        The shell to print it for.
    """
    # The script holds all verbs and options: a press of TAB starts no Python.
    write_out(app.generate_completion(shell=shell))
    return exits.IN_STEP
