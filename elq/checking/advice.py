"""Advice: sums up what a check of a catalogue found, as plain values and in words, and says what should be added first."""

from collections import Counter
from typing import Any

from elq.checking.check import FIELDS, Checker

MOST = 5  # names, scripts and languages that are shown
RARE = 0.0005  # smaller shares of a script are not shown in words
FEW_NAMES = 1.3  # names of an entity on average; with fewer, aliases are missing
Report = dict[str, Any]


def report_of(checker: Checker, source: str) -> Report:
    """The results of a check as plain values, which can be written as JSON.

    Its keys are file, records, filled (field → records that have it), findings, names (how many there are, how many mean one,
    two and more entities, the most ambiguous ones, scripts and languages), and add_first (pieces of advice, the best first).
    """
    names = checker.names
    sizes = Counter(min(len(numbers), 3) for numbers in names.entities.values())
    widest = sorted(names.entities.items(), key=lambda item: -len(item[1]))[:MOST]
    return {
        "file": source,
        "records": len(checker.titles),
        "filled": {name: checker.filled[name] for name in FIELDS},
        "findings": checker.findings.listed(),
        "names": {
            "different": len(names.entities),
            "of_one_entity": sizes[1],
            "of_two_entities": sizes[2],
            "of_more_entities": sizes[3],
            "most_ambiguous": [[name, len(numbers)] for name, numbers in widest if len(numbers) > 1],
            "scripts": dict(names.scripts.most_common()),
            "languages": dict(names.languages.most_common()),
        },
        "add_first": advice(checker),
    }


def advice(checker: Checker) -> list[str]:
    """What a user should add first, the most useful first."""
    count = len(checker.titles)
    shared = {number for numbers in checker.names.entities.values() if len(numbers) > 1 for number in numbers}
    silent = [number for number in sorted(shared) if not checker.told[number]]
    unknown = [number for number in sorted(shared) if not checker.known[number]]
    lacking = count - checker.filled["description"]
    names = sum(map(len, checker.names.entities.values()))
    advice = []
    if silent:
        advice.append(
            f"descriptions or types of {len(silent):,} entities that share a name with another one and have neither, such as"
            f" {checker.titles[silent[0]]!r}: without them nothing tells such entities apart"
        )
    if len(unknown) > len(shared) / 2:
        advice.append(
            f"popularity, such as page views or the number of uses, of {len(unknown):,} entities that share a name with another"
            " one: the more famous one is meant more often, and elq knows fame only from Wikidata ids and this field"
        )
    if lacking and not (silent and lacking == len(silent)):
        advice.append(
            f"descriptions of {lacking:,} entities ({_percent(lacking, count)}): the encoder finds an entity by its text"
        )
    if names < FEW_NAMES * count or 10 * checker.filled["aliases"] < count:
        advice.append(
            f"aliases: an entity has {names / count if count else 0:.1f} names on average, and people often use another name"
            " (short forms, former names, other spellings)"
        )
    if 2 * checker.filled["types"] < count:
        advice.append(
            f"types of {count - checker.filled['types']:,} entities: template questions and `types=` of a linker need them"
        )
    return advice


def lines_of(report: Report) -> list[str]:
    """The report in words."""
    count, names = report["records"], report["names"]
    filled = [f"{name} {number:,} ({_percent(number, count)})" for name, number in report["filled"].items()]
    lines = [f"{report['file']}: {count:,} records; {', '.join(filled)}", ""]
    lines.append("Doubtful" if report["findings"] else "Nothing doubtful was found.")
    for finding in report["findings"]:
        remedy = finding["remedy"][:1].upper() + finding["remedy"][1:]
        lines.append(f"- {finding['what']}: {finding['count']:,}. {remedy}.")
        lines += [f"    {example}" for example in finding["examples"]]
    lines += ["", "Names"]
    lines.append(
        f"- {names['different']:,} different names: {names['of_one_entity']:,} mean one entity, {names['of_two_entities']:,}"
        f" mean two, and {names['of_more_entities']:,} mean three or more"
    )
    if names["most_ambiguous"]:
        lines.append("- the most ambiguous: " + ", ".join(f"{name!r} ({n:,} entities)" for name, n in names["most_ambiguous"]))
    if scripts := _shares(names["scripts"]):
        lines.append(f"- scripts: {scripts}")
    if languages := _shares(names["languages"]):
        known = sum(names["languages"].values())
        lines.append(f"- languages, by the function words in {known:,} names: {languages}")
    lines += ["", "What to add first" if report["add_first"] else "Nothing needs to be added."]
    return lines + [f"{number}. {text}" for number, text in enumerate(report["add_first"], 1)]


def _shares(counts: dict[str, int]) -> str:
    whole = sum(counts.values())
    shown = [(name, number) for name, number in counts.items() if number >= RARE * whole][:MOST]
    return ", ".join(f"{name} {_percent(number, whole)}" for name, number in shown)


def _percent(part: int, whole: int) -> str:
    """A share in per cent; the ends 0% and 100% are kept for none and all.

    >>> _percent(999, 1000), _percent(1, 1000), _percent(0, 5), _percent(2, 3)
    ('99.9%', '0.1%', '0%', '67%')
    """
    share = 100 * part / whole if whole else 0.0
    return f"{share:.0f}%" if share == round(share) or 1 <= share <= 99 else f"{max(0.1, min(99.9, share)):.1f}%"
