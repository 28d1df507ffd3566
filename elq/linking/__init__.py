"""Linking: turns the text of questions into links to entities."""
