"""Encoding: question text to token vectors."""
