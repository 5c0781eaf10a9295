"""Lists of rows that are read from the state and printed page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

from syncengine.cli.engine import run_engine
from syncengine.cli.options import Format
from syncengine.cli.rendering.layout import PublicReport
from syncengine.cli.rendering.rows import Row, TableColumn, row_writer
from syncengine.cli.terminal import err, out, write_out

P = TypeVar("P", bound=PublicReport)


def print_pages(
    pages: AsyncGenerator[Sequence[P], None],
    chosen: Format,
    columns: Sequence[TableColumn],
    names: Sequence[str],
    *,
    empty: str,
    sink: Callable[[str], object] = write_out,
    public: Callable[[P], Row] = lambda row: row.public(),
    seen: Callable[[Sequence[P]], object] = lambda _: None,
) -> int:
    """Print all rows in this form; return their number.

    ``empty`` is printed for a person where there are none. ``seen`` is called with each
    page. Raises what reading them raises.
    """
    with row_writer(chosen, columns, names, sink) as writer:

        def write(page: Sequence[P]) -> None:
            writer.write([public(row) for row in page])
            seen(page)

        number = run_engine(_written(pages, write))
    # On stderr, and for people only: programs get an empty list.
    if not number and chosen == "table":
        err.print(empty, soft_wrap=True)
    return number


async def _written(
    pages: AsyncGenerator[Sequence[P], None], write: Callable[[Sequence[P]], None]
) -> int:
    """Write page by page, until nobody reads any more; return the number of rows."""
    number = 0
    # Closed at once, also where the reader of the output is gone: the pages hold
    # connections.
    async with aclosing(pages):
        async for page in pages:
            write(page)
            number += len(page)
            # Its reader has ended, such as ``head``.
            if out.quiet:
                break
    return number
