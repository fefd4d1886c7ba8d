"""Puts the two sides next to each other, explains every difference, and settles what may be settled."""
