"""Runs the benchmarks; today that is one."""

import sys

from loadtest.bench.served_vs_raw import main

sys.exit(main())
