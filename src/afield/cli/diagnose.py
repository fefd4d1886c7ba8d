"""`afield diagnose`: why does it not work? Reads only."""
