"""``python -m elq``."""

from elq.commands import main

main()
