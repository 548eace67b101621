"""Hop 1: takes submissions over HTTP, and is the one address that integrators need."""
