"""The ssh connector: scripts on a Linux machine, over ssh."""
