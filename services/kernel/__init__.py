"""What every service shares: the registrar's loop and the follower's loop, written once."""
