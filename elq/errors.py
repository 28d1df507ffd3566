"""The one error a user is meant to read."""


class ElqError(Exception):
    """Input that cannot be used: its message names the value, the limit and the remedy in one sentence.

    Commands print the message on standard error and leave with exit code 2; Python callers catch it.
    """
