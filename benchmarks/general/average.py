"""Makes the model folder of the general model from one or several trainings (model folders or checkpoints).

The mean of weights that started from the same encoder links better over unseen catalogues than each of them, see RESULTS.md. Two
things that the training cannot learn are added with chosen numbers: the feature "fields" of the prior, since all its entities
have a fame that is known or hidden, and how much likelier a name is meant in a small catalogue, since a batch has questions of
many catalogues.
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
from elq.names.named import PER_SIZE


def with_fields(network: ELQ, weight: float) -> ELQ:
    """The same network with the feature "fields" of the prior, whose value 1 adds ``weight`` to the score of an entity."""
    config = replace(network.config, prior=(*network.config.prior, "fields"))
    made, state = ELQ(config), network.state_dict()
    added = torch.zeros(COLUMNS)
    added[0] = weight / SINGLE_SCALE
    made.load_state_dict(state | {"pooler.prior": torch.cat([state["pooler.prior"], added])})
    return made.eval()


def with_small_names(network: ELQ, logit: float) -> ELQ:
    """The network, in which names get a higher logit of p(mention) in catalogues below 1,500 entities, half of it below 15,000."""
    with torch.no_grad():
        for size, share in enumerate((1.0, 1.0, 0.5)):
            network.scorer.name[PER_SIZE * size : PER_SIZE * (size + 1)] += share * logit / SINGLE_SCALE
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--fields", type=float, metavar="WEIGHT", help='weight of the feature "fields" of the prior')
    parser.add_argument("--small-names", type=float, default=0.0, metavar="LOGIT", help="added in small catalogues")
    args = parser.parse_args()
    networks = [network_of(model) for model in args.models]
    states = [network.state_dict() for network in networks]
    for name, value in networks[0].state_dict().items():
        others = [state[name] for state in states[1:]]
        if not all(torch.equal(value, other) for other in others):  # the frozen word vectors stay as they are in every bit
            value.copy_(torch.stack([value, *others]).double().mean(0))
    args.output.mkdir(parents=True, exist_ok=True)
    made = with_small_names(networks[0], args.small_names)
    made = made if args.fields is None else with_fields(made, args.fields)
    made.save_pretrained(args.output, load_tokenizer(DEFAULT))


if __name__ == "__main__":
    main()
