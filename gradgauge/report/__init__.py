"""The report: a run folder in, one HTML file out (no torch)."""
