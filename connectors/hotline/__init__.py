"""热线: 12345, 12319 and 962000: orders in, replies out."""
