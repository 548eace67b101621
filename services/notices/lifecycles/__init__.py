"""One file per kind that this registrar serves."""
