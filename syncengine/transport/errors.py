"""Transport errors in words for the person on call.

Never the library's own text: it may contain the address with its query, headers, or
bytes of the answer.
"""

from __future__ import annotations

import ssl

import aiohttp

from syncengine.transport.lines import EndlessHeadError, UnaskedError


class TooLong(ValueError):
    """The answer is too long to be one."""


_UPLOAD_ABORTED: type[aiohttp.ClientError] = getattr(
    aiohttp, "UploadAbortedError", aiohttp.ClientPayloadError
)
"""Younger than the oldest release we run with."""

_WORDS: tuple[tuple[type[BaseException], str], ...] = (
    (
        UnaskedError,
        (
            "the vendor sends answers before anything is asked; is something in "
            "between, such as a proxy?"
        ),
    ),
    (
        EndlessHeadError,
        "the vendor answers without coming to an end; is settings.base_url an API?",
    ),
    (TooLong, "the answer is far too long; is settings.base_url an API?"),
    (
        aiohttp.ConnectionTimeoutError,
        "no connection to the vendor in time; is the network slow, or the vendor down?",
    ),
    (TimeoutError, "no answer in time; the vendor is slow or down"),
    (
        aiohttp.ClientConnectorDNSError,
        "the vendor's host name is unknown; check settings.base_url and DNS",
    ),
    (aiohttp.ClientProxyConnectionError, "the proxy cannot be reached; check proxy"),
    (
        aiohttp.ClientHttpProxyError,
        "the proxy refused to connect to the vendor; check proxy",
    ),
    (
        aiohttp.ServerFingerprintMismatch,
        "the vendor's certificate is not the expected one",
    ),
    (aiohttp.ClientSSLError, "TLS with the vendor failed; check settings.base_url"),
    (
        aiohttp.ClientConnectorError,
        "no connection to the vendor; it is down, or settings.base_url is wrong",
    ),
    (
        aiohttp.ServerDisconnectedError,
        "the vendor cut the connection before it answered",
    ),
    (ConnectionError, "the connection broke before the answer came"),
    (aiohttp.ClientOSError, "the connection broke before the answer came"),
    (aiohttp.ServerConnectionError, "the connection to the vendor failed"),
    (aiohttp.ClientConnectionError, "the connection to the vendor failed"),
    (aiohttp.ClientPayloadError, "the answer is cut off, or packed wrongly"),
    (_UPLOAD_ABORTED, "the request was never sent to its end"),
    (aiohttp.ContentTypeError, "the answer is of another kind than it should be"),
    (
        aiohttp.TooManyRedirects,
        "the vendor redirects on and on; check settings.base_url",
    ),
    (
        aiohttp.ClientResponseError,
        "the answer is not valid HTTP; check settings.base_url",
    ),
    (
        aiohttp.RedirectClientError,
        "the vendor redirects to an address that is not valid; check settings.base_url",
    ),
    (aiohttp.InvalidURL, "the address is not valid; check settings.base_url"),
    (
        aiohttp.NonHttpUrlClientError,
        "the address is not an http address; check settings.base_url",
    ),
)
"""Words for each error; the first match counts, so special ones come before general
ones."""


def in_words(error: BaseException) -> str:
    """Return what happened and what to look at.

    Our own text for every error: the library's may hold secrets or values.
    """
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        found = getattr(error.certificate_error, "verify_message", "")
        reason = found or "it is for another host"
        return (
            f"the vendor's certificate cannot be trusted ({reason}); check "
            "settings.base_url"
        )
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    match error:
        case ssl.SSLError():
            return "TLS with the vendor failed"
        case OSError():
            return "the network failed before the answer came"
        case ValueError():
            return (
                "the request cannot be written as HTTP; does the key in settings hold "
                "a line break?"
            )
        case _:
            return f"the request failed ({type(error).__name__})"
