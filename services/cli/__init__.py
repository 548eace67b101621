"""The `liandong` command."""
