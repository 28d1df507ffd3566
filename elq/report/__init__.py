"""Report: writes an HTML page about an evaluation."""
