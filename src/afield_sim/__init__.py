"""The clouds in a box: remote systems emulated over real HTTP, with faults on demand."""
