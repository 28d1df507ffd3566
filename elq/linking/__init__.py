"""Linking: question text to links."""
