"""What agencies rely on: data first, a thin typed loader beside it."""
