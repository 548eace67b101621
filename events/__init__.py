"""Facts that agencies state to each other: frozen models and nothing else. No I/O, no policy."""
