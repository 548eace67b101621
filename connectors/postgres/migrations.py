"""Database schemas by versioned migrations (Alembic): created, brought up to date, and compared with what is there.

A service's tables are its own schema. What exists and does not fit is refused, and each difference is named: the
expected tables are made in a scratch schema inside a transaction that is rolled back, and the two are compared.
"""

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from connectors.errors import ProvisionError

_LOCK = 0x11A2D0  # one provisioning at a time, whatever the schema

_SHAPE = text("""
    SELECT 'table ' || c.relname || ', column ' || a.attname,
           format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'index ' || i.indexname, replace(i.indexdef, quote_ident(:schema) || '.', '')
    FROM pg_indexes i WHERE i.schemaname = :schema
    UNION ALL
    SELECT 'table ' || c.relname || ', constraint ' || k.conname,
           replace(pg_get_constraintdef(k.oid), quote_ident(:schema) || '.', '')
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND k.contype <> 'n'
""")


@dataclass(frozen=True, slots=True)
class Schema:
    """One PostgreSQL schema and the folders that hold its migrations."""

    name: str
    folders: tuple[Path, ...]


def provision(url: str, schemas: Sequence[Schema]) -> list[str]:
    """Create or upgrade the schemas; return what was done, in words.

    Raises ProvisionError, naming every difference, where what exists does not fit; nothing is changed then.
    """
    done: list[str] = []
    with _transaction(url) as connection:
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        for schema in schemas:
            done += _upgrade(connection, schema)
        differences = [line for schema in schemas for line in _differences(connection, schema)]
        if differences:
            raise ProvisionError("the database does not fit:\n  " + "\n  ".join(differences) + "\n" + _HELP)
    return done


def revision(url: str, schema: Schema) -> tuple[str, ...]:
    """The revisions at which a schema stands; empty where it does not exist."""
    with _transaction(url) as connection:
        return _current(connection, schema)


_HELP = (
    "Restore the named objects, or point LIANDONG_POSTGRES at another database. "
    "`liandong provision` never changes or drops what it did not make."
)


@contextmanager
def _transaction(url: str) -> Generator[Connection]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


def _config(connection: Connection, schema: str, folders: Sequence[Path]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(map(str, folders)).replace("%", "%%"))
    config.attributes |= {"connection": connection, "schema": schema}
    return config


def _current(connection: Connection, schema: Schema) -> tuple[str, ...]:
    context = MigrationContext.configure(connection, opts={"version_table_schema": schema.name})
    return tuple(sorted(context.get_current_heads()))


def _upgrade(connection: Connection, schema: Schema) -> list[str]:
    before = _current(connection, schema)
    if not before and _shape(connection, schema.name):
        raise ProvisionError(f"schema {schema.name} has tables that no migration of Liandong made. {_HELP}")
    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{schema.name}"'))
    config = _config(connection, schema.name, schema.folders)
    unknown = set(before) - {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if unknown:
        raise ProvisionError(
            f"schema {schema.name} is at revision {', '.join(sorted(unknown))}, which this version does not know: "
            "it was made by a newer Liandong. Run that version, or restore a backup made before the upgrade."
        )
    try:
        command.upgrade(config, "heads")
    except CommandError as error:
        raise ProvisionError(f"schema {schema.name}: {error}") from error
    after = _current(connection, schema)
    return [f"schema {schema.name}: {', '.join(before) or 'new'} → {', '.join(after)}"] if after != before else []


def _differences(connection: Connection, schema: Schema) -> list[str]:
    scratch = f"liandong_expected_{schema.name}"
    with connection.begin_nested() as savepoint:
        connection.execute(text(f'CREATE SCHEMA "{scratch}"'))
        command.upgrade(_config(connection, scratch, schema.folders), "heads")
        expected = _shape(connection, scratch)
        savepoint.rollback()
    found = _shape(connection, schema.name)
    # An operator's own index harms nothing.
    names = expected.keys() | {name for name in found if not name.startswith("index ")}
    return [
        f"schema {schema.name}, {name}: expected {expected.get(name, 'nothing')}, found {found.get(name, 'nothing')}"
        for name in sorted(names)
        if expected.get(name) != found.get(name)
    ]


def _shape(connection: Connection, schema: str) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(_SHAPE, {"schema": schema})}
