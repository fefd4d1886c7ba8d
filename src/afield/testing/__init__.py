"""For tests of Afield and for authors of connectors: a clock to hold, a remote system in the process, and the
conformance suite every connector has to pass."""
