"""`python -m smoothlab` is the command line, for environments whose scripts are not on the path."""

import sys

from smoothlab.commands import main

sys.exit(main())
