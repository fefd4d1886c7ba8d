"""The seven agents: thin adapters between the pipeline and the parts that do the work."""
