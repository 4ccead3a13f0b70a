"""Lets `python -m primecore.cli` do what `prime` does."""

import sys

from primecore.cli.main import main

sys.exit(main())
