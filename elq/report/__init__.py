"""The report: one HTML page about an evaluation."""
