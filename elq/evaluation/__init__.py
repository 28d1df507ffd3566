"""Evaluation: how good links are."""
