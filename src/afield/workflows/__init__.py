"""AMC workflows: saved queries and their runs. Thin over the kernel; its own table holds only what is saved."""
