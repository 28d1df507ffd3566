"""Train a linker: ``python train.py +experiment=webqsp``, like ``elq train``."""

import sys

from elq.commands import run

if __name__ == "__main__":
    sys.exit(run("train", sys.argv[1:]))
