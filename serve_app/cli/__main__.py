"""`python -m serve_app.cli` is `chorus`."""

import sys

from serve_app.cli import main

sys.exit(main())
