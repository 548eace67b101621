"""The registrar on the real engines: one outcome each, gapless sequences, fencing, and what a crash leaves behind."""
