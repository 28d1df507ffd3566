// Verdicts: what a person says about the links of a question. When each shown link has a verdict, the question is saved.

const over = (one, other) => one.start < other.end && other.start < one.end;
const keyOf = (span) => `${span.start}:${span.end}`;

export class Verdicts {
  constructor() {
    this.clear();
  }

  clear() {
    this.judged = new Map(); // span of a link → { verdict, start, end, entity, title }
    this.missed = new Map(); // span that a person has marked → the same, without a verdict
  }

  of(link) {
    return this.judged.get(keyOf(link))?.verdict ?? (this.covered(link) ? "wrong" : null);
  }

  covered(link) {
    return [...this.missed.values()].some((one) => over(one, link));
  }

  judge(link, verdict, entity = link) {
    const { start, end } = link;
    for (const [key, one] of this.missed) if (over(one, link)) this.missed.delete(key);
    this.judged.set(keyOf(link), { verdict, start, end, entity: entity.entity, title: entity.title });
  }

  allRight(links) {
    for (const link of links) if (!this.of(link)) this.judge(link, "right");
  }

  // A mention that the linker has missed; what overlaps it cannot be right any more.
  add(span, entity) {
    for (const found of [this.judged, this.missed]) for (const [key, one] of found) if (over(one, span)) found.delete(key);
    this.missed.set(keyOf(span), { ...span, entity: entity.entity, title: entity.title });
  }

  remove(span) {
    this.missed.delete(keyOf(span));
  }

  open(links) {
    return links.filter((link) => !this.of(link)).length;
  }

  // All mentions of the question, in reading order.
  mentions() {
    const right = [...this.judged.values()].filter((one) => one.verdict !== "wrong");
    return [...right, ...this.missed.values()].sort((one, other) => one.start - other.start);
  }

  record(text) {
    return { text, mentions: this.mentions().map(({ start, end, entity }) => ({ start, end, entity })) };
  }
}
