"""Logs: to stderr, as JSON lines or for people, never with a secret in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Literal

import structlog
from rich.console import Console
from rich.text import Text
from structlog.typing import EventDict, Processor, WrappedLogger

from syncengine.model.events import Level
from syncengine.model.texts import Concealer, escaped, printable

_HIDDEN = "[secret]"
_LONG = 8
"""Number of characters from which on a secret is hidden anywhere in a text."""
_SECRET_KEYS = ("token", "api_key", "apikey", "password", "secret", "authorization")


def set_up(
    form: Literal["console", "json"],
    console: Console,
    secrets: Iterable[str],
    level: Level,
) -> None:
    """Send logs of this level and above through the console of the progress bars.

    With a common console neither tears the other.
    """
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        # Behind whatever adds text: tracebacks may hold secrets, too.
        redactor(secrets),
    ]
    if form == "json":
        processors.append(_JsonRenderer())
    else:
        # JSON escapes unprintable characters by itself.
        processors.append(_printable)
        processors.append(structlog.dev.ConsoleRenderer(colors=console.is_terminal))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _ConsoleLogger(console),
        cache_logger_on_first_use=False,
    )


def redactor(
    secrets: Iterable[str],
) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """Return a processor that hides secret values, and all values of secret keys.

    Secret values are hidden anywhere in a text.
    """
    cleaner = _Cleaner(secrets)

    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        cleaned: EventDict = cleaner.clean(dict(event))
        return cleaned

    return process


class _Cleaner:
    """Hides secrets in the values of events, however deep they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if secret})
        short_ones = [secret for secret in known if len(secret) < _LONG]
        self._concealer = Concealer(secret for secret in known if len(secret) >= _LONG)
        self._short_ones = _short_secrets(short_ones)

    def clean(self, value: Any) -> Any:
        """Return a value without secrets, made of what JSON knows."""
        if isinstance(value, str):
            return self._clean_text(value)
        if isinstance(value, dict):
            return {
                self.clean(key): self._clean_item(key, item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.clean(item) for item in value]
        if isinstance(value, bool | int | float) or value is None:
            return value
        # Anything else is logged as its text.
        return self._clean_text(str(value))

    def _clean_item(self, key: object, item: Any) -> Any:
        name = str(key).lower()
        if any(word in name for word in _SECRET_KEYS):
            return _HIDDEN
        return self.clean(item)

    def _clean_text(self, text: str) -> str:
        hidden = self._concealer.hide(text, _HIDDEN)
        if self._short_ones is None:
            return hidden
        return self._short_ones.sub(_HIDDEN, hidden)


def _short_secrets(secrets: list[str]) -> re.Pattern[str] | None:
    """Return an expression for short secrets; None where there are none.

    A database's password may be a word of every sentence. So a short one is found only
    where passwords stand: behind ``:`` or ``=``, as in a URL.
    """
    if not secrets:
        return None
    alternatives = "|".join(re.escape(secret) for secret in secrets)
    return re.compile(rf"(?<=[:=])(?:{alternatives})(?=[@&\s]|$)")


class _JsonRenderer(structlog.processors.JSONRenderer):
    """Renderer of JSON that escapes every unprintable character.

    Python's own leaves the character 127 as it is.
    """

    def __call__(self, logger: WrappedLogger, name: str, event_dict: EventDict) -> str:
        return escaped(str(super().__call__(logger, name, event_dict)))


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the event without characters that would steer a terminal."""
    return {
        key: printable(value, lines=True) if isinstance(value, str) else value
        for key, value in event.items()
    }


class _ConsoleLogger:
    """Prints lines as they are: never wrapped, since a JSON line must stay one line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def msg(self, message: str) -> None:
        """Print one line. A log that cannot be written is no reason to end a run."""
        with suppress(OSError):
            if self._console.is_terminal:
                # Printed through rich, which moves progress bars out of the way.
                self._console.print(Text.from_ansi(message), soft_wrap=True)
            else:
                self._console.file.write(f"{message}\n")
                self._console.file.flush()

    debug = info = warning = error = critical = exception = log = msg
