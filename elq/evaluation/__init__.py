"""Evaluation: declares the metrics, and measures links against annotated questions."""
