"""`python -m afield_sim` is `afield-sim`."""

import sys

from .main import main

sys.exit(main())
