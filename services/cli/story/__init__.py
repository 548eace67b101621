"""What the demo tells: who is in it, and the facts that they state, in the order in which they happen."""
