"""Timelines: who stated what and when, who got it, and whose move it is."""
