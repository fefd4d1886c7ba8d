"""The local connector: scripts on the machine the worker runs on."""
