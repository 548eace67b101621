"""The way from one complete bus to another: items under the seal of the one, witnessed under the seal of the other."""
