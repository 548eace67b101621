"""What waits to be handed over to other buses, and their witness of what they have."""

from alembic import op

revision = "delivery_0004"
down_revision = "delivery_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; `witness` is there as soon as the other bus has the item."""
    op.execute(
        """
        CREATE TABLE relays (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            peer text NOT NULL,
            body bytea NOT NULL,
            witness bytea
        );
        CREATE INDEX relays_waiting ON relays (peer, id) WHERE witness IS NULL;
        """
    )
