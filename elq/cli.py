"""``python -m elq.cli fit …`` is the same as ``elq fit …``: job scripts of clusters call it by this name."""

from elq.commands import main

if __name__ == "__main__":
    main()
