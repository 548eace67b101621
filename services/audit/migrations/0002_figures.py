"""What exchanges contribute to the indicators, which are to be counted again or could not be, and outages of buses."""

from alembic import op

revision = "audit_0002"
down_revision = "audit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; what was followed before is to be counted."""
    op.execute(
        """
        CREATE TABLE figures (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            case_id text NOT NULL,
            opened timestamptz NOT NULL,
            first timestamptz NOT NULL,
            last timestamptz NOT NULL,
            agencies text[] NOT NULL,
            overseers text[] NOT NULL,
            figures bytea NOT NULL,
            PRIMARY KEY (kind, exchange)
        );
        CREATE INDEX figures_period ON figures USING gist (tstzrange(first, last, '[]'));
        CREATE INDEX figures_case ON figures (case_id);
        CREATE TABLE dirty (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL,
            exchange uuid NOT NULL
        );
        CREATE TABLE uncounted (
            kind text NOT NULL,
            exchange uuid NOT NULL,
            reason text NOT NULL,
            PRIMARY KEY (kind, exchange)
        );
        CREATE TABLE outages (
            bus text NOT NULL,
            service text NOT NULL,
            begun timestamptz NOT NULL,
            ended timestamptz NOT NULL,
            PRIMARY KEY (bus, service, begun, ended)
        );
        INSERT INTO dirty (kind, exchange) SELECT kind, exchange FROM exchanges;
        """
    )
