"""Averages the weights of several trainings of the general model (model folders or checkpoints), and writes a model folder.

The mean of weights that started from the same encoder links better over unseen catalogues than each of them, see RESULTS.md.
"""

import argparse
from pathlib import Path

import torch
from measure import network_of

from elq.encoding.pretrained import DEFAULT, load_tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    networks = [network_of(model) for model in args.models]
    states = [network.state_dict() for network in networks]
    for name, value in networks[0].state_dict().items():
        others = [state[name] for state in states[1:]]
        if not all(torch.equal(value, other) for other in others):  # the frozen word vectors stay as they are in every bit
            value.copy_(torch.stack([value, *others]).double().mean(0))
    args.output.mkdir(parents=True, exist_ok=True)
    networks[0].save_pretrained(args.output, load_tokenizer(DEFAULT))


if __name__ == "__main__":
    main()
