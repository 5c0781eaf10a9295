"""Contacts by the million, and a state in step with them, for the benchmarks."""

from __future__ import annotations

from tempfile import TemporaryFile

from syncengine.storage.connect import Connection, transaction
from syncengine.storage.source.spec import Source, SourceSpec

KEY_TYPES = {
    "bigint": "n",
    "uuid": "md5(n::text)::uuid",
    "text": "'contact-' || md5(n::text)",
}

COLUMNS = {
    "first_name": ("text", "'Given ' || n"),
    "last_name": ("text", "'Family ' || (n * 7919) % 100003"),
    "company": ("text", "'Company ' || n % 5003 || ' and Partners Limited'"),
    "job_title": (
        "text",
        "(ARRAY['Buyer', 'Head of Sales', 'Accountant', 'Owner'])[1 + n % 4]",
    ),
    "email": ("text", "'given.family.' || n || '@example.org'"),
    "phone": ("text", "'+49151' || lpad(n::text, 8, '0')"),
    "street": ("text", "n % 199 || ' Example Street, building ' || n % 17"),
    "postcode": ("text", "lpad((n * 31 % 99999)::text, 5, '0')"),
    "city": ("text", "'City ' || n % 2003"),
    "country": ("text", "(ARRAY['DE', 'FR', 'BR', 'IN', 'KE'])[1 + n % 5]"),
    "language": ("text", "(ARRAY['de', 'fr', 'pt', 'hi', 'sw'])[1 + n % 5]"),
    "plan": ("text", "CASE WHEN n % 3 > 0 THEN (ARRAY['free', 'team'])[1 + n % 2] END"),
    "source_campaign": ("text", "'newsletter-2025-' || n % 52"),
    "note": (
        "text",
        (
            "'Asked about delivery in week ' || n % 53 "
            "|| ' and about prices for ' || n % 71"
        ),
    ),
    "owner": ("text", "'agent.' || n % 211"),
    "balance": ("numeric(12, 2)", "(n % 100000) / 100.0"),
    "score": ("double precision", "sqrt(n)"),
    "orders": ("integer", "(n % 40)::integer"),
    "opted_in": ("boolean", "n % 4 > 0"),
    "birthday": ("date", "date '1950-01-01' + (n % 20000)::integer"),
    "last_seen": (
        "timestamptz",
        "timestamptz '2025-01-01 00:00+00' + n % 300000 * interval '1 minute'",
    ),
    "address": (
        "jsonb",
        "jsonb_build_object('city', n % 2003, 'lat', n % 90, 'kind', 'home')",
    ),
    "consent": (
        "jsonb",
        "jsonb_build_object('mail', n % 2 = 0, 'at', '2025-02-03', 'by', 'form')",
    ),
    "preferences": ("jsonb", "jsonb_build_array(n % 7, n % 11, 'weekly')"),
    "tags": ("text[]", "ARRAY['customer', 'week-' || n % 52, 'list-' || n % 9]"),
}
"""25 mapped columns, about 600 bytes a row."""


DESTINATION = "benchmark"
SPEC = SourceSpec(
    table="crm.contacts", key="id", columns=tuple(COLUMNS), salt="benchmark"
)


async def create_source(
    connection: Connection,
    rows: int,
    *,
    table: str = "crm.contacts",
    key: str = "bigint",
) -> None:
    """Create a table of contacts with the key ``id`` (see KEY_TYPES).

    It is analysed and vacuumed, and has the same rows every time.
    """
    kinds = ", ".join(f"{name} {kind}" for name, (kind, _) in COLUMNS.items())
    values = ", ".join(value for _, value in COLUMNS.values())
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.partition('.')[0]}")
    await connection.execute(f"CREATE TABLE {table} (id {key}, {kinds})")
    await connection.execute(
        f"INSERT INTO {table} SELECT {KEY_TYPES[key]}, {values} FROM "
        f"generate_series(1::bigint, {rows}) AS n"
    )
    await connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (id)")
    await connection.execute(f"VACUUM ANALYZE {table}")


async def put_in_step(
    state: Connection,
    source_connection: Connection,
    source: Source,
    *,
    destination: str = DESTINATION,
) -> None:
    """Make the state say that the destination holds every row as it is.

    The two may be in different databases.
    """
    number = source.contact_id if source.kind == "number" else "NULL"
    rows = (
        f"SELECT '{destination}', {source.contact_id}, {number}, "
        f"{source.hash}, 'synced' "
        f"FROM {source.relation} WHERE {source.where} ORDER BY {source.key}"
    )

    with TemporaryFile() as file:
        async with transaction(source_connection, read_only=True):
            await source_connection.copy_from_query(rows, output=file)
        file.seek(0)
        columns = [
            "destination",
            "contact_id",
            "contact_number",
            "source_hash",
            "status",
        ]
        await state.copy_to_table(
            "sync_state", schema_name="syncengine", columns=columns, source=file
        )
    await state.execute("VACUUM ANALYZE syncengine.sync_state")
