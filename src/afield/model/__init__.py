"""What is true of an execution, a target, a finding. Pure: no I/O, no clock, no framework."""
