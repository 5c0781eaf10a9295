"""The scripts of ``syncengine completion`` are valid, and complete verbs and options."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from syncengine.cli.verbs import VERBS

_ASK_BASH = """
COMP_WORDS=(syncengine {words}); COMP_CWORD={index}; _syncengine
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def _script(shell: str) -> str:
    """Return the script that the command prints for a shell."""
    printed = subprocess.run(
        (sys.executable, "-m", "syncengine", "completion", shell),
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stderr == ""
    return printed.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_valid_and_knows_every_verb(shell: str) -> None:
    script = _script(shell)
    missing = [verb for verb in VERBS if verb not in script]
    assert missing == []
    if shell == "bash":
        _check_bash(script)
    elif shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed: its script was not parsed")
    subprocess.run((shell, "-n"), input=script, text=True, check=True)


def _check_bash(script: str) -> None:
    """Ask bash itself what it would offer."""

    def offered(*words: str) -> set[str]:
        asked = _ASK_BASH.format(words=" ".join(words), index=len(words))
        printed = subprocess.run(
            ("bash", "-c", f"{script}\n{asked}"),
            capture_output=True,
            text=True,
            check=True,
        )
        assert printed.stderr == ""
        return set(printed.stdout.split())

    assert offered("fail") == {"failures"}
    assert {"history", "help"} & offered("hi") == {"history"}
    assert {"--code", "--csv"} <= offered("failures", "--c")
    assert offered("failures", "--format", "j") == {"json", "jsonl"}
    assert offered("completion", "z") == {"zsh"}
