"""Hop 3: keeps the legal clocks; warns before a deadline, records when it passed, and takes back what was void."""
