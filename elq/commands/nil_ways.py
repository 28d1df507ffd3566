"""`elq evaluate --nil lda`: prints which scores tell mentions without an entity from mentions with one."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elq.linking.linker import Linker
    from elq.types import Question


def compare_ways(linker: "Linker", questions: "Sequence[Question]") -> dict[str, dict[str, Any]]:
    """Measure every way to find mentions without an entity, and print a table of them.

    Args:
        linker: the linker; the topics are those of its catalogue.
        questions: annotated questions whose entities are all in the catalogue, or null.

    Returns:
        Way → name of a figure → value, for JSON.
    """
    from rich.console import Console
    from rich.table import Table

    from elq.emerging.lda import Topics
    from elq.emerging.separation import WAYS, given_scores, separate

    found = separate(given_scores(linker, questions, Topics.of_catalogue(linker.entities.catalogue)))
    table = Table()
    for name in ("mentions without an entity, by", "AUROC", "precision / recall / F1", "threshold"):
        table.add_column(name, justify="left" if not table.columns else "right")
    for way, one in found.items():
        quality = f"{one.precision:.3f} / {one.recall:.3f} / {one.f1:.3f}"
        table.add_row(WAYS[way], f"{one.auroc:.3f}", quality, f"{one.threshold:.3f}")
    console = Console(width=150)
    console.print(table)
    any_way = next(iter(found.values()))
    console.print(
        f"{any_way.without} of {any_way.mentions} given mentions have no entity, in one half of the questions; the thresholds"
        " come from the other half.",
        highlight=False,
        soft_wrap=True,
    )
    return {way: asdict(one) for way, one in found.items()}
