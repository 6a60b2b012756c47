"""Results in; lines for the terminal, a page with plots and JSON out."""

from loadtest.capacity.report.lines import told
from loadtest.capacity.report.page import write

__all__ = ["told", "write"]
