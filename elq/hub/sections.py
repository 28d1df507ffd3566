"""The sections of a model card: says in sentences and tables what the facts of a model are."""

from collections.abc import Iterable, Sequence

from elq.hub.evaluations import Evaluation, Figure
from elq.hub.facts import Facts
from elq.linking.model_folder import portable
from elq.model.type_head import NO_TYPES

UNKNOWN = "unknown"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown.

    >>> print(table(["a", "b"], [["1", "x|y"]]))
    | a | b |
    |---|---|
    | 1 | x\\|y |
    """
    lines = [head, ["---"] * len(head), *rows]
    made = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
    made[1] = made[1].replace(" ", "")
    return "\n".join(made)


def other_catalogues(facts: Facts) -> str:
    """What to expect of the model over another catalogue."""
    if facts.general:
        return "The weights were made for that."
    return "It was trained with its own catalogue, so measure it there before you rely on it."


def model(facts: Facts) -> str:
    """The rows of the table that says what the model is."""
    about, config, decision = facts.entities.manifest, facts.config, facts.decision
    encoder = config.encoder
    kind = f"{encoder.get('model_type')}, {encoder.get('num_hidden_layers')} layers, {encoder.get('hidden_size')} wide"
    beside = {
        "names": config.names,
        f"fame ({', '.join(config.prior)})": config.prior,
        '"not in the catalogue"': config.nil,
        "the whole question": config.whole_question,
        "the types of mentions": config.types != NO_TYPES,
    }
    learned = ", ".join(what for what, asked in beside.items() if asked)
    rows = {
        "method": "ELQ ([Li et al., EMNLP 2020](https://aclanthology.org/2020.emnlp-main.522/))"
        + (f", with learned scores for {learned}" if learned else ""),
        "question encoder": kind,
        "size of the weights": f"{facts.weights_bytes / 1e6:.1f} MB",
        "longest mention": config.longest_mention,
        "catalogue": f"{about.entities:,} entities; sha256 {facts.entities.catalogue.sha256[:16]}…, version {about.version}",
        "entity vectors": f"{about.width} numbers ({about.dtype}), by {portable(about.encoder)}",
        "index": about.index,
        "links": f"threshold γ = {decision.threshold:.3f}, {decision.candidates} candidates, score mode {decision.score_mode}"
        + "".join(f", {name} {value}" for name, value in decision.further.items()),
        "probabilities": "calibrated" if decision.calibration else "none: the model has no calibration",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def training(facts: Facts) -> str:
    """From what the training started, on what data it ran, and with which version."""
    if facts.general:
        return (
            "The weights are those of `elq/general`, without further training. "
            "[Its model card](https://github.com/elq-linker/elq/blob/main/elq/weights/README.md) says how they were made."
        )
    base = f"`{portable(facts.base_name)}`" if facts.base_name else UNKNOWN
    if facts.base:
        base += f" ([{facts.base.hub}](https://huggingface.co/{facts.base.hub}), {facts.base.licence})"
    made = facts.made_with
    commit, experiment = (f"`{made[key]}`" if made.get(key) else UNKNOWN for key in ("commit", "experiment"))
    lines = [
        f"- Encoder from which the training started: {base}.",
        f"- Experiment: {experiment}. Version of elq: {made.get('elq') or UNKNOWN}. Git commit: {commit}.",
        f"- Seed: {UNKNOWN if facts.seed is None else facts.seed}.",
    ]
    if not facts.data:
        return "\n".join([*lines, "- Questions: unknown, since the folder does not name them."])
    rows = [[each.name, each.use, each.licence or UNKNOWN] for each in facts.data]
    return "\n".join([*lines, "", table(["questions", "use", "licence"], rows)])


def scores(facts: Facts) -> str:
    """The scores of each evaluation, and of the development questions where there is no evaluation."""
    parts = [_scores(facts, evaluation) for evaluation in facts.evaluations]
    if facts.development and not facts.general and not parts:
        parts = [
            "Only scores on the development questions are known. Epoch and threshold were chosen on these questions, so the"
            " scores are slightly too high.\n\n" + _scores(facts, facts.development)
        ]
    if not parts:
        return "Unknown: no evaluation was given. `elq evaluate --output FILE` makes one for `elq card --evaluation FILE`."
    if any(evaluation.intervals for evaluation in facts.evaluations):
        parts.append("An interval is a 95% bootstrap interval over questions.")
    return "\n\n".join([*parts, "F1 is the harmonic mean of precision and recall."])


def _scores(facts: Facts, evaluation: Evaluation) -> str:
    questions, *others = evaluation.questions_file, *evaluation.baselines
    count = evaluation.metrics.get("questions")
    said = [f"Questions: {questions}" + (f", {count:,.0f} of them." if count else ".")]
    if evaluation.catalogue and evaluation.catalogue != _catalogue(facts):
        said.append(
            f"They were measured over another catalogue or another version of it, with {evaluation.catalogue[0]:,} entities."
        )
    if evaluation.threshold is not None and abs(evaluation.threshold - facts.decision.threshold) > 1e-6:
        said.append(f"The threshold was {evaluation.threshold:.3f}, and not that of the model.")
    rows = [
        [figure.words, _cell(evaluation, figure), *(_number(evaluation.baselines[name].get(figure.metric)) for name in others)]
        for figure in evaluation.figures
    ]
    return " ".join(said) + "\n\n" + table(["figure", "this model (95% interval)", *others], rows)


def _catalogue(facts: Facts) -> tuple[int, list[str]]:
    return facts.entities.manifest.entities, facts.entities.catalogue.hashes


def _cell(evaluation: Evaluation, figure: Figure) -> str:
    value, bounds = _number(evaluation.metrics[figure.metric]), evaluation.intervals.get(figure.metric)
    if bounds is None:
        return f"{value} (interval {UNKNOWN})"
    return f"{value} ({_number(bounds[0])} to {_number(bounds[1])})"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def cost(facts: Facts) -> str:
    """The time and the memory of linking, of each evaluation that has them."""
    lines = [_cost(evaluation) for evaluation in facts.evaluations if evaluation.cost.get("questions_per_second")]
    return "\n".join(lines) if lines else "Unknown: `elq evaluate --output FILE` measures both."


def _cost(evaluation: Evaluation) -> str:
    found = evaluation.cost
    memory = found.get("peak_memory_bytes")
    used = UNKNOWN if memory is None else f"{memory / 1e9:.1f} GB"
    threads = found.get("threads")
    where = f"{found.get('device', UNKNOWN)}" + (f", {threads} thread{'s' * (threads != 1)}" if threads else "")
    return (
        f"- On {evaluation.questions_file} ({where}): {found['questions_per_second']:,.0f} questions a second in batches, and"
        f" {found['seconds_per_question'] * 1e3:,.0f} ms for a single question. Largest memory of the process: {used}."
    )


def limits(facts: Facts, languages: Sequence[str]) -> str:
    """Where the model fails, or is not known to work."""
    spoken = f"for questions in these languages: {', '.join(languages)}" if languages else "for languages that are unknown"
    lines = [
        f"It is made {spoken}. Others were not measured here.",
        "It links only to entities in its catalogue.",
        f"A name of more than {facts.config.max_span_tokens} tokens is "
        + ("linked only where a question has the whole name." if facts.config.names else "never linked as a whole."),
        "It is made for single questions. In longer texts, expect more wrong links.",
        "Where two entities have the same name and no description, the choice is arbitrary.",
    ]
    if not facts.config.nil:
        lines.append(
            'It has no score for "not in the catalogue": a name of something else may be linked to an entity of that name.'
        )
    if not facts.decision.calibration:
        lines.append("Its links have no probability.")
    return "\n".join(f"- {line}" for line in lines)


def licence(facts: Facts, given: str | None) -> str:
    """The licence of the model, and those of its parts."""
    own = f"The licence of this model is {given}." if given else "The licence of this model is unknown: ask its owner."
    if facts.base:
        own += f" Its weights come from {facts.base.hub}, whose licence is {facts.base.licence}."
    return f"{own} The licence of the catalogue is unknown to elq; its owner can say it here. elq itself has the MIT licence."
