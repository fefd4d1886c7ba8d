"""The HTTP face: thin, one route per verb of the kernel."""
