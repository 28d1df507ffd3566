"""Evaluation: measures links against annotated questions."""
