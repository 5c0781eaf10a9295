"""Names of contacts in messages.

They are one line, never empty, and a shell takes them for the same id.
"""

from __future__ import annotations

import subprocess

import pytest

from syncengine.model.contact_ids import as_argument, name_of, name_of_owner


@pytest.mark.parametrize(
    ("contact_id", "name"),
    [
        ("4711", "4711"),
        ("", "''"),
        (" ", "' '"),
        ("\n", "' '"),
        ("a\nb", "a b"),
        ("a\r\u2028b", "a  b"),
        ("Žofia 李", "Žofia 李"),
    ],
)
def test_a_contact_is_named_on_one_line(contact_id: str, name: str) -> None:
    assert name_of(contact_id) == name
    assert name_of_owner(f"respond_io/{contact_id}") == f"respond_io/{name}"


@pytest.mark.parametrize(
    "contact_id", ["4711", "", " ", "a\nb'c\\d", "it's", "Žofia\t李\u200d", "a/b"]
)
def test_what_is_to_be_typed_is_the_same_id_on_one_line(contact_id: str) -> None:
    typed = as_argument(contact_id)
    assert typed.isprintable()
    command = ["bash", "-c", f"printf %s {typed}"]
    environ = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"}
    said = subprocess.run(command, check=True, capture_output=True, env=environ)
    assert said.stdout.decode() == contact_id
