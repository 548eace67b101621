"""What the gateway remembers: submissions that it took and what became of them, and used tokens."""

from alembic import op

from connectors.http.tokens import TOKENS_TABLE

revision = "gateway_0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.execute(
        """
        CREATE TABLE submissions (
            source text NOT NULL,
            id text NOT NULL,
            digest text NOT NULL,
            slip bytea,
            outcome text CHECK (outcome IN ('receipt', 'rejection', 'held')),
            code text,
            document bytea,
            stands boolean NOT NULL DEFAULT true,
            PRIMARY KEY (source, id, digest),
            CHECK ((outcome IS NULL) = (document IS NULL))
        ) WITH (fillfactor = 80);
        """
    )
    op.execute(TOKENS_TABLE)
