"""Answers HTTP requests: the server of `elq serve`."""
