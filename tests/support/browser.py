"""A real browser that looks at pages: Debian's chromium, driven by playwright.

One for the session, in a thread with an event loop of its own: so it serves tests with
and without asyncio. Where there is no chromium, tests that look are skipped.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page, Request, async_playwright

T = TypeVar("T")

WIDTHS = (1280, 390)
"""A desk, and a phone."""
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
_CORNERS = ((1280, "light"), (390, "dark"))
_HEIGHT = 900
_GRAVE = ("serious", "critical")
_PROGRAMS = ("chromium", "chromium-browser")
_PATIENCE = 60.0


@dataclass
class Seen:
    """What the browser saw of one page, at all widths and in both colour schemes."""

    status: int = 0
    text: str = ""
    problems: list[str] = field(default_factory=list)
    """Findings of axe-core, messages of the console, contents wider than the screen,
    and requests to anywhere but this machine."""


class Chromium:
    """A running browser; see ``running_chromium``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, browser: Browser) -> None:
        self._loop = loop
        self._browser = browser
        self._axe = (
            resources.files("axe_playwright_python")
            .joinpath("axe.min.js")
            .read_text(encoding="utf-8")
        )

    def look_at(self, url: str, *, thoroughly: bool = False) -> Seen:
        """Open a page, and look at it as people do, at all widths and in both schemes.

        Anything that is wrong is among the ``problems``. axe-core takes its time, so it
        judges the large page in daylight and the small one in the dark; all four where
        it is to look ``thoroughly``.
        """
        return self._wait(self._look_at(url, thoroughly=thoroughly))

    def pdf_of(self, url: str) -> bytes:
        """Return the page as it is printed on A4."""
        return self._wait(self._printed(url))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    async def _look_at(self, url: str, *, thoroughly: bool) -> Seen:
        seen = Seen()
        page = await self._browser.new_page(viewport={"width": 1280, "height": _HEIGHT})
        page.on("console", lambda said: seen.problems.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: seen.problems.append(f"error: {error}"))
        page.on("request", lambda request: _refuse_strangers(request, seen))
        try:
            response = await page.goto(url)
            seen.status = 200 if response is None else response.status
            seen.text = await page.inner_text("body")
            await page.evaluate(self._axe)
            for width, scheme in itertools.product(WIDTHS, SCHEMES):
                await page.set_viewport_size({"width": width, "height": _HEIGHT})
                await page.emulate_media(color_scheme=scheme)
                where = f"{urlsplit(url).path} at {width}, {scheme}"
                found = await _too_wide(page)
                if thoroughly or (width, scheme) in _CORNERS:
                    found += await _findings(page)
                seen.problems += [f"{where}: {each}" for each in found]
        finally:
            await page.close()
        return seen

    async def _printed(self, url: str) -> bytes:
        page = await self._browser.new_page()
        try:
            await page.goto(url)
            return await page.pdf(format="A4", prefer_css_page_size=True)
        finally:
            await page.close()


def _refuse_strangers(request: Request, seen: Seen) -> None:
    address = urlsplit(request.url)
    is_here = address.scheme in ("file", "data") or address.hostname == "127.0.0.1"
    if not is_here:
        seen.problems.append(f"request to {request.url}")


async def _findings(page: Page) -> list[str]:
    """Return what axe-core takes for serious."""
    run = "axe.run({resultTypes: ['violations']}).then(found => found.violations)"
    return [
        f"{each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}"
        for each in await page.evaluate(run)
        if each["impact"] in _GRAVE
    ]


async def _too_wide(page: Page) -> list[str]:
    """Return what does not fit into the width."""
    wide = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [f"{wide} pixels wider than the screen"] if wide > 0 else []


def _program() -> str | None:
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


@contextmanager
def running_chromium() -> Iterator[Chromium]:
    """Start the browser, and end it with the block; skips the test without one."""
    program = _program()
    if program is None:
        pytest.skip("there is no chromium: apt-get install chromium, and it looks")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="browser", daemon=True)
    thread.start()

    def wait(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result(_PATIENCE)

    playwright = wait(async_playwright().start())
    try:
        # A container's /dev/shm is often too small for it: a page then never loads.
        options = ["--disable-dev-shm-usage"]
        if os.geteuid() == 0:
            # Its sandbox does not start for root, as in most containers.
            options.append("--no-sandbox")
        browser = wait(
            playwright.chromium.launch(executable_path=program, args=options)
        )
        try:
            yield Chromium(loop, browser)
        finally:
            wait(browser.close())
    finally:
        wait(playwright.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE)
        loop.close()
