"""What is brought to recipients: the queue, how each partner fares, and the times that were agreed."""

from alembic import op

revision = "delivery_0003"
down_revision = "delivery_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; every copy so far was put into an inbox, and nothing failed."""
    op.execute(
        """
        ALTER TABLE stages ADD COLUMN reason text;
        -- Up to where everything was brought to it: the purge's word, beside the reader's own.
        ALTER TABLE readers ADD COLUMN brought bigint NOT NULL DEFAULT 0;

        -- An item of an inbox that is to be brought. Of each thread (an exchange, or what is of none) the head is next.
        CREATE TABLE queue (
            agency text NOT NULL,
            position bigint NOT NULL,
            thread text NOT NULL,
            kind text,
            exchange uuid,
            sequence integer,
            author text,
            state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'relayed', 'parked')),
            head boolean NOT NULL,
            attempt integer NOT NULL DEFAULT 0,
            queued_at timestamptz NOT NULL,
            next_at timestamptz NOT NULL,
            reason text,
            PRIMARY KEY (agency, position)
        ) WITH (fillfactor = 70);
        CREATE INDEX queue_threads ON queue (agency, thread, position);
        CREATE INDEX queue_heads ON queue (agency, next_at, position) WHERE head AND state = 'waiting';

        -- open_until: nobody knocks before. parked: why nothing is brought until an operator resumes it. begun: since
        -- which position of its inbox items are brought. origin: where the cursor is from.
        CREATE TABLE partners (
            agency text PRIMARY KEY,
            failures integer NOT NULL DEFAULT 0,
            open_until timestamptz,
            paused boolean NOT NULL DEFAULT false,
            parked text,
            begun bigint,
            cursor text,
            origin text,
            trouble text
        );

        -- The number that a partner gave to an exchange.
        CREATE TABLE partner_numbers (
            agency text NOT NULL,
            kind text NOT NULL,
            exchange uuid NOT NULL,
            number text NOT NULL,
            PRIMARY KEY (agency, kind, exchange)
        );

        -- The signed word of a recipient that it has an item.
        CREATE TABLE witnesses (
            agency text NOT NULL,
            position bigint NOT NULL,
            proof bytea NOT NULL,
            PRIMARY KEY (agency, position)
        );

        -- By when a copy was to be delivered, or retrieved.
        CREATE TABLE agreed (
            agency text NOT NULL,
            position bigint NOT NULL,
            lacks text NOT NULL CHECK (lacks IN ('undelivered', 'unretrieved')),
            author text NOT NULL,
            since timestamptz NOT NULL,
            at timestamptz NOT NULL,
            PRIMARY KEY (agency, position, lacks)
        );
        CREATE INDEX agreed_at ON agreed (at);

        CREATE VIEW moments AS
            SELECT greatest(q.next_at, p.open_until) AS at FROM queue q LEFT JOIN partners p USING (agency)
            WHERE q.head AND q.state = 'waiting' AND NOT coalesce(p.paused, false) AND p.parked IS NULL
            UNION ALL SELECT at FROM agreed;
        """
    )
