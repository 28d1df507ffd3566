"""Errors: the one exception whose message is written for users."""

# The remedy for a damaged file in an entities folder.
AGAIN = "make the entities folder again with `elq build` or `elq import`"


class ElqError(Exception):
    """Input that cannot be used. The message says the value, the limit and the remedy in one sentence.

    Commands print the message on standard error and end with exit code 2. Python programs can catch the exception.
    """


class UnavailableError(ElqError):
    """A service that linking needs, such as a server of vectors, does not answer. The same call may succeed later."""
