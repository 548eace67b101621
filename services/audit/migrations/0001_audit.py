"""Events, exchanges, stages of copies and rejections as audit followed them, and used tokens."""

from alembic import op

from connectors.http.tokens import TOKENS_TABLE

revision = "audit_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE events (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            source text NOT NULL,
            type text NOT NULL,
            case_id text NOT NULL,
            time timestamptz NOT NULL,
            acceptedtime timestamptz NOT NULL,
            recordedtime timestamptz NOT NULL,
            record bytea NOT NULL,
            PRIMARY KEY (kind, exchange, sequence)
        );
        CREATE TABLE exchanges (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            case_id text NOT NULL,
            opener text NOT NULL,
            status text NOT NULL,
            sequence integer NOT NULL,
            parties text[] NOT NULL,
            moves text[] NOT NULL,
            standing bytea NOT NULL,
            opened timestamptz NOT NULL,
            changed timestamptz NOT NULL,
            PRIMARY KEY (kind, exchange)
        ) WITH (fillfactor = 70);
        CREATE INDEX exchanges_parties ON exchanges USING gin (parties);
        CREATE INDEX exchanges_case ON exchanges (case_id);
        CREATE INDEX exchanges_id ON exchanges (exchange);
        CREATE INDEX exchanges_newest ON exchanges (opened, kind, exchange);
        CREATE TABLE deliveries (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            sequence integer NOT NULL,
            recipient text NOT NULL,
            stage text NOT NULL,
            attempt integer NOT NULL,
            bus text NOT NULL,
            time timestamptz NOT NULL,
            PRIMARY KEY (kind, exchange, sequence, recipient, stage, attempt, bus)
        );
        CREATE TABLE rejections (
            digest bytea PRIMARY KEY,
            source text NOT NULL,
            id text NOT NULL,
            code text NOT NULL,
            document bytea NOT NULL
        );
        CREATE INDEX rejections_source ON rejections (source, id);
        """
    )
    op.execute(TOKENS_TABLE)
