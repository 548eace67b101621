"""The registrar of work orders 派单."""
