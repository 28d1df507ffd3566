"""Link questions: ``python predict.py "who directed titanic?"``, like ``elq predict``."""

import sys

from elq.commands import run

if __name__ == "__main__":
    sys.exit(run("predict", sys.argv[1:]))
