"""Entry point for ``python -m elq``, which does the same as ``elq``."""

from elq.commands import main

main()
