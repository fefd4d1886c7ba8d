"""How alike two sentences are: by vectors of a small language model where one is installed, else by their words."""
