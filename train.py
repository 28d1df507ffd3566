"""Train a linker: ``python train.py +experiment=webqsp``; the same as ``elq train``."""

import sys

from elq.commands import run

if __name__ == "__main__":
    sys.exit(run("train", sys.argv[1:]))
