"""Makes the model folder of the general model from one or several trainings (model folders or checkpoints).

The mean of weights that started from the same encoder links better over unseen catalogues than each of them, see RESULTS.md. The
feature "fields" of the prior is added with a chosen weight, since the training has only entities whose fame is known or hidden.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from measure import network_of

from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.entities.prior import COLUMNS
from elq.model.heads import SINGLE_SCALE
from elq.model.network import ELQ


def with_fields(network: ELQ, weight: float) -> ELQ:
    """The same network with the feature "fields" of the prior, whose value 1 adds ``weight`` to the score of an entity."""
    config = replace(network.config, prior=(*network.config.prior, "fields"))
    made, state = ELQ(config), network.state_dict()
    added = torch.zeros(COLUMNS)
    added[0] = weight / SINGLE_SCALE
    made.load_state_dict(state | {"pooler.prior": torch.cat([state["pooler.prior"], added])})
    return made.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--fields", type=float, metavar="WEIGHT", help='weight of the feature "fields" of the prior')
    args = parser.parse_args()
    networks = [network_of(model) for model in args.models]
    states = [network.state_dict() for network in networks]
    for name, value in networks[0].state_dict().items():
        others = [state[name] for state in states[1:]]
        if not all(torch.equal(value, other) for other in others):  # the frozen word vectors stay as they are in every bit
            value.copy_(torch.stack([value, *others]).double().mean(0))
    args.output.mkdir(parents=True, exist_ok=True)
    made = networks[0] if args.fields is None else with_fields(networks[0], args.fields)
    made.save_pretrained(args.output, load_tokenizer(DEFAULT))


if __name__ == "__main__":
    main()
