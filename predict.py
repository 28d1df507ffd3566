"""Link questions: ``python predict.py "who directed titanic?"``; the same as ``elq predict``."""

import sys

from elq.commands import run

if __name__ == "__main__":
    sys.exit(run("predict", sys.argv[1:]))
