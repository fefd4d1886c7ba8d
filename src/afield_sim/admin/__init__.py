"""The admin service: look inside the simulator, and make it misbehave."""
