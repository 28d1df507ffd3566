"""Makes the model folder of the general model from one or several trainings (model folders or checkpoints).

The mean of weights that started from the same encoder links better over unseen catalogues than each of them, see RESULTS.md. How
much likelier a name is meant in a small catalogue is added, since the training cannot learn it: a batch has questions of many
catalogues.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from measure import network_of

from elq.encoding.pretrained import DEFAULT, load_tokenizer
from elq.model.heads import SINGLE_SCALE
from elq.model.network import ELQ
from elq.names.named import PER_SIZE


def with_small_names(network: ELQ, logit: float) -> ELQ:
    """The network, in which names get a higher logit of p(mention) in catalogues below 1,500 entities, half of it below 15,000."""
    with torch.no_grad():
        for size, share in enumerate((1.0, 1.0, 0.5)):
            network.scorer.name[PER_SIZE * size : PER_SIZE * (size + 1)] += share * logit / SINGLE_SCALE
    return network


def with_parts(network: ELQ, **parts: bool) -> ELQ:
    """The network with further parts, which have the weights that they begin with in a training."""
    made = ELQ(replace(network.config, **parts)).eval()
    made.load_state_dict({**made.state_dict(), **network.state_dict()})
    return made


def with_whole_question(network: ELQ, weight: float, nil: float) -> ELQ:
    """The network, in which entities are compared with the whole question too, and NIL has a score higher by ``nil``, since the
    whole question is similar to every entity in some degree.
    """
    made = with_parts(network, whole_question=True)
    with torch.no_grad():
        made.whole_question.weight.fill_(weight / SINGLE_SCALE)
        made.nil.value += nil / SINGLE_SCALE
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--small-names", type=float, default=0.0, metavar="LOGIT", help="added in small catalogues")
    parser.add_argument("--whole-question", type=float, metavar="WEIGHT", help="for trainings without this weight")
    parser.add_argument(
        "--nil", type=float, default=0.0, metavar="SCORE", help="added to the score of NIL with --whole-question"
    )
    parser.add_argument("--capitals", action="store_true", help="with scores of words with and without capitals, which are 0")
    args = parser.parse_args()
    networks = [network_of(model) for model in args.models]
    states = [network.state_dict() for network in networks]
    for name, value in networks[0].state_dict().items():
        others = [state[name] for state in states[1:]]
        if not all(torch.equal(value, other) for other in others):  # the frozen word vectors stay as they are in every bit
            value.copy_(torch.stack([value, *others]).double().mean(0))
    args.output.mkdir(parents=True, exist_ok=True)
    made = with_small_names(networks[0], args.small_names)
    if args.whole_question is not None:
        made = with_whole_question(made, args.whole_question, args.nil)
    if args.capitals:
        made = with_parts(made, capitals=True)
    made.save_pretrained(args.output, load_tokenizer(DEFAULT))


if __name__ == "__main__":
    main()
