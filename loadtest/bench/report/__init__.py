"""Findings in; tables on a terminal, a page, plots and JSON out."""
