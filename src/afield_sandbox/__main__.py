"""`python -m afield_sandbox`: the adapter."""

import sys

from afield_sandbox.adapter.main import main

if __name__ == "__main__":
    sys.exit(main())
