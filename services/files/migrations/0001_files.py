"""What is on its way in, who holds what, who was shown what by whom, and used tokens."""

from alembic import op

from connectors.http.tokens import TOKENS_TABLE

revision = "files_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE uploads (
            id uuid PRIMARY KEY,
            agency text NOT NULL,
            digest text NOT NULL,
            size bigint NOT NULL,
            finished boolean NOT NULL,
            expires timestamptz NOT NULL
        );
        CREATE INDEX uploads_agency ON uploads (agency);
        CREATE INDEX uploads_expires ON uploads (expires);
        CREATE TABLE holders (
            digest text NOT NULL,
            agency text NOT NULL,
            since timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (digest, agency)
        );
        CREATE TABLE shown (
            digest text NOT NULL,
            granter text NOT NULL,
            agency text NOT NULL,
            PRIMARY KEY (digest, granter, agency)
        );
        CREATE TABLE progress (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            agency text NOT NULL,
            sequence integer NOT NULL,
            PRIMARY KEY (kind, exchange, agency)
        ) WITH (fillfactor = 70);
        CREATE TABLE spoilt (
            digest text PRIMARY KEY,
            found timestamptz NOT NULL DEFAULT now()
        );
        """
    )
    op.execute(TOKENS_TABLE)
