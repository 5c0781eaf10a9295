"""The sandbox's journal shows no phone number and no e-mail address.

In whatever form a path contains them.
"""

from __future__ import annotations

import pytest

from syncengine.sandbox.journal import impersonal


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/contact/phone:%2B4915111223307/tags", "/contact/phone:[...]/tags"),
        ("/contact/phone:+4915111223307", "/contact/phone:[...]"),
        ("/contact/phone%3A4915111223307", "/contact/phone%3A[...]"),
        ("/contact/email:ilse.7%40example.org", "/contact/email:[...]"),
        ("/contact/email:ilse.7@example.org/tags", "/contact/email:[...]/tags"),
        ("/people/%2b4915111223307", "/people/[...]"),
        ("/contact/id:5507/tags", "/contact/id:5507/tags"),
        ("/contact/177640029", "/contact/177640029"),
        ("/contact/%61%2Fb%2b", "/contact/%61%2Fb%2b"),
        ("/api/v1beta/contacts", "/api/v1beta/contacts"),
    ],
)
def test_a_path_is_shown_without_whom_it_names(path: str, shown: str) -> None:
    assert impersonal(path) == shown
