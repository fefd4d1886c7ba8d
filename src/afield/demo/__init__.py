"""`afield demo`: everything on one machine, broken on purpose, and what becomes of the work."""
