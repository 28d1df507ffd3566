"""Times of the units and presets for mentions with pictures: milliseconds of a training step, with random features.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/multimodal/units.py
    OMP_WAIT_POLICY=PASSIVE python benchmarks/multimodal/units.py --shared

A step is the scores, all losses, the gradients and AdamW, for M = 64 mentions with K = 96 candidates each, T = 32 words,
C = 24 letters, one picture of P = 49 patches each, D = 384 and V = 1280. Every candidate has features of its own, 1.5 GB of
patches; with ``--shared`` the candidates are of N = 1,024 entities, as in a training with the entities of a batch, so each is
encoded once. The figure is the median of the steps after the first; the figure behind it counts the time of the processor.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch

from elq.multimodal.features import ModalityFeatures
from elq.multimodal.network import MultimodalNetwork
from elq.multimodal.presets import PRESETS, preset
from elq.multimodal.unit import Sizes

M, K, T, C, P, D, V = 64, 96, 32, 24, 49, 384, 1280


def features(*shape: int, pictures: int = 1) -> ModalityFeatures:
    """Random features, of which a tenth have no picture; the patches of all are those of 128 pictures, which is quicker."""
    chosen = torch.randint(0, 128, (*shape, pictures))
    characters = torch.randint(1, 64, (*shape, C)) * (torch.arange(C) < torch.randint(4, C + 1, (*shape, 1)))
    return ModalityFeatures(
        text=torch.randn(*shape, D),
        words=torch.randn(*shape, T, D),
        word_mask=torch.arange(T) < torch.randint(4, T + 1, (*shape, 1)),
        characters=characters,
        pictures=torch.randn(*shape, pictures, V),
        patches=torch.randn(128, P, V)[chosen],
        picture_mask=torch.rand(*shape, pictures) < 0.9,
        named=torch.ones(*shape, dtype=torch.bool),
    )


def times(step: Callable[[], None], steps: int) -> tuple[float, float]:
    """The medians of the wall time and of the processor time of a step, in milliseconds; the first step is not counted."""
    step()
    wall, processor = [], []
    for _ in range(steps):
        began, used = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return 1e3 * median(wall), 1e3 * median(processor)


def step_of(network: MultimodalNetwork, batch: tuple[ModalityFeatures, ModalityFeatures, torch.Tensor, torch.Tensor | None]):
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def step() -> None:
        optimiser.zero_grad()
        network.loss(*batch).backward()
        optimiser.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shared", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    entities = features(1024) if args.shared else features(M, K)
    rows = torch.randint(0, 1024, (M, K)) if args.shared else None
    print(f"| preset | parameters | ms a step, {args.threads} threads | of the processor |\n|---|---|---|---|", flush=True)
    for name in args.presets:
        mentions = features(M, pictures=2 if name == "fbmel" else 1)
        network = preset(name).network(Sizes(text=D, picture=V))
        count = sum(value.numel() for value in network.parameters())
        wall, processor = times(step_of(network, (mentions, entities, torch.randint(0, K, (M,)), rows)), args.steps)
        print(f"| {name} | {count:,} | {wall:,.0f} | {processor:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
