"""Hop 5: timelines. Who stated what and when, who got it, and whose move it is."""
