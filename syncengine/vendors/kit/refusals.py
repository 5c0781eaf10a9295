"""Turn a vendor's refusal into a rejected contact, or into a failed look-up.

A refused write is a result of its contact (``Rejected``), whom it counts against. A
refused look-up says nothing about the contact, so that it is an error.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Collection, Iterable, Iterator, Mapping

from syncengine.errors import VendorUnavailable
from syncengine.model.calls import ADVICE, Rejected
from syncengine.model.http import Json, Request
from syncengine.vendors.kit.messages import clean_message
from syncengine.vendors.kit.replies import Reply
from syncengine.vendors.kit.values import as_text


def rejection(
    request: Request,
    reply: Reply,
    words: str,
    sent: Iterable[Json],
    code: str | None = None,
    names: Collection[str] = (),
) -> Rejected:
    """Return the vendor's refusal of one contact, with its message made safe.

    ``words`` is the vendor's message as it came. ``sent`` is what must not be repeated
    in it: the contact's values, and a secret that does not travel in a header. The
    default for ``code`` is ``http_400`` and the like, and ``refused`` for a refusal
    that comes with a success status. ``names`` are words that stay in the message, such
    as the names of fields (see ``clean_message``).
    """
    if code is None:
        code = "refused" if reply.ok else f"http_{reply.status}"
    words = _without_secrets(request, words, sent, names)
    reason = f' and says: "{words}"' if words else " without saying why"
    return Rejected(
        code,
        f"the vendor refused it with status {reply.status}{reason}{ADVICE}",
        status=reply.status,
        words=words,
    )


def failed_look_up(
    request: Request, reply: Reply, words: str, sent: Iterable[Json]
) -> VendorUnavailable:
    """Return the failure of a look-up that the vendor refused.

    Nothing follows from it for the contact. ``words`` and ``sent`` are those of
    ``rejection``.
    """
    words = _without_secrets(request, words, sent)
    reason = f': "{words}"' if words else ""
    return VendorUnavailable(
        f"{request.route}: the vendor refused the look-up (status {reply.status})"
        f"{reason}; does it know the field, and is the value one it can have?",
        maybe_applied=False,
        status=reply.status,
    )


def message_in(body: Json, *names: str) -> str:
    """Return the first filled field of a refusal, such as its ``message``, as text.

    Empty where the body is no object, or has none of them.
    """
    if not isinstance(body, Mapping):
        return ""
    for name in names:
        if body.get(name):
            return as_text(body[name])
    return ""


def _without_secrets(
    request: Request, words: str, sent: Iterable[Json], names: Collection[str] = ()
) -> str:
    """Return a message without the values sent, the query and the credentials."""
    asked = (value for _, value in request.query)
    return clean_message(words, (*sent, *asked, *_credentials(request)), names)


def _credentials(request: Request) -> Iterator[str]:
    """Yield the secrets in the headers, in each form that a vendor may repeat."""
    for name, value in request.headers.items():
        if name not in ("accept", "content-type"):
            yield from value.split()
        # A vendor may repeat the key itself instead of its Base64 form.
        if value.startswith("Basic "):
            encoded = value.removeprefix("Basic ")
            user_and_password = b64decode(encoded).decode()
            yield from user_and_password.split(":")
