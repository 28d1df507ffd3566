"""Entry point for job scripts: ``python -m elq.cli`` does the same as ``elq``."""

from elq.commands import main

if __name__ == "__main__":
    main()
