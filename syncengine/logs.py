"""Logs: to stderr, as JSON lines or for people, never with a secret in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import structlog
from rich.console import Console
from rich.text import Text
from structlog.typing import EventDict, WrappedLogger

from syncengine.model.events import Level

_HIDDEN = "[secret]"
_SECRET_KEYS = ("token", "api_key", "apikey", "password", "secret", "authorization")


def set_up(form: Literal["console", "json"], console: Console, secrets: Iterable[str], level: Level) -> None:
    """Send logs of this level and above through the console that progress bars use, so that neither tears the other."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=console.is_terminal)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redactor(secrets),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _ConsoleLogger(console),
        cache_logger_on_first_use=False,
    )


def redactor(secrets: Iterable[str]) -> Callable[[WrappedLogger, str, EventDict], EventDict]:
    """A processor that hides secret values wherever they stand, and whatever a secret's key holds."""
    known = sorted({secret for secret in secrets if secret}, key=len, reverse=True)

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            for secret in known:
                value = value.replace(secret, _HIDDEN)
            return value
        if isinstance(value, dict):
            return {
                clean(key): _HIDDEN if any(word in str(key).lower() for word in _SECRET_KEYS) else clean(item)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [clean(item) for item in value]
        if isinstance(value, bool | int | float) or value is None:
            return value
        return clean(str(value))

    def process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        cleaned: EventDict = clean(dict(event))
        return cleaned

    return process


class _ConsoleLogger:
    """Prints lines as they are: never wrapped, since a JSON line must stay one line."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def msg(self, message: str) -> None:
        if self._console.is_terminal:  # there may be bars: they make room
            self._console.print(Text.from_ansi(message), soft_wrap=True)
        else:
            self._console.file.write(f"{message}\n")
            self._console.file.flush()

    debug = info = warning = error = critical = exception = log = msg
