"""Linking: scores the spans of questions, and decodes them into links that do not overlap."""
