"""Encoding: turns the text of questions into token vectors."""
