// The details of a link: its entity, what the scores say in words, its candidates, and the shares of what is none of them.

import { make, own } from "./dom.js";
import { exponential, logarithm, percent } from "./links.js";

const FIRST = 5; // candidates that are not folded
const LEAST = 0.0005; // a smaller share of other entities comes from rounding

// verdict: the row of buttons. close: a callback.
export function detailsOf(link, verdict, close) {
  const parts = [
    make(
      "div",
      { class: "head" },
      make("h2", { id: "details-title" }, "“", own(link.mention), "” means ", own(link.title)),
      make("button", { type: "button", id: "close", onclick: close }, "Close"),
    ),
  ];
  if (link.description) parts.push(make("p", {}, own(link.description)));
  parts.push(verdict, facts(link), make("h3", {}, "How sure is the model?"), scores(link));
  parts.push(make("h3", {}, `Candidates (${link.candidates.length})`), candidates(link), others(link));
  return parts;
}

function facts(link) {
  const rows = [["Id", make("span", { class: "id" }, own(link.entity))]];
  if (link.types.length) rows.push(["Types", own(link.types.join(", "))]);
  for (const [name, value] of Object.entries(link.data)) rows.push([own(name), valueOf(value)]);
  return make("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

// A further column of the catalogue. Only an address of the web becomes a link.
function valueOf(value) {
  if (!/^https?:\/\/\S+$/i.test(value)) return own(value);
  return make("a", { href: value, rel: "noreferrer", target: "_blank" }, value);
}

function scores(link) {
  const entity = link.score === null || link.mention_score === null ? null : link.score - link.mention_score;
  const lines = [
    [
      "Probability of the link",
      link.probability === null
        ? "There is none, since this model has no calibration (elq tune makes one)."
        : `${percent(link.probability)}: of 100 links with this probability, about ${about100(link.probability)} are right.`,
    ],
    [
      "A mention?",
      `The model is ${percent(exponential(link.mention_score))} sure that these words are a mention:`
        + ` log p(mention) =\u00a0${logarithm(link.mention_score)}`,
    ],
    [
      "This entity?",
      `If they are, it is ${percent(exponential(entity))} sure that they mean this entity:`
        + ` log p(entity | mention) =\u00a0${logarithm(entity)}`,
    ],
    ["Score", `${logarithm(link.score)}, the sum of the two logarithms. The threshold γ is compared with it.`],
  ];
  return make("dl", { class: "facts" }, ...lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

const about100 = (probability) => Math.round(100 * probability);

// The candidates, best first; those after the first ones are folded.
function candidates(link) {
  const items = link.candidates.map(candidate), first = make("ul", { class: "candidates" }, ...items.slice(0, FIRST));
  if (items.length <= FIRST) return first;
  const less = make("ul", { class: "candidates" }, ...items.slice(FIRST)), together = percent(sum(link.candidates.slice(FIRST)));
  const summary = make("summary", {}, `${items.length - FIRST} less likely ones, together ${together}`);
  return make("div", {}, first, make("details", {}, summary, less));
}

function candidate(one) {
  return row(
    exponential(one.score), one.score,
    own(one.title, { class: "name" }), " ", own(one.entity, { class: "id soft" }),
    one.description ? make("div", {}, own(one.description)) : null,
    one.types.length ? make("div", { class: "soft" }, own(one.types.join(", "))) : null,
  );
}

// What is no candidate: NIL, and all other entities. With it, the shares of a mention add up to 100%.
function others(link) {
  const nil = link.nil_score ?? null, known = nil !== null, left = 1 - sum(link.candidates) - (known ? exponential(nil) : 0);
  const rows = [];
  if (known) {
    const what = "The words mean something that the catalogue does not have.";
    rows.push(row(exponential(nil), nil, make("span", { class: "strong" }, "Not in the catalogue"), make("div", {}, what)));
  }
  if (left >= LEAST) {
    const what = "All entities that are not listed here, taken together.";
    rows.push(row(left, Math.log(left), make("span", { class: "strong" }, "Other entities"), make("div", {}, what)));
  }
  if (!rows.length) return null;
  return make("div", {}, make("h3", {}, "None of the candidates"), make("ul", { class: "candidates", id: "others" }, ...rows));
}

const sum = (candidates) => candidates.reduce((total, one) => total + exponential(one.score), 0);

function row(share, score, ...about) {
  const bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", `${100 * share}%`);
  return make(
    "li",
    {},
    make("div", {}, ...about),
    make(
      "div",
      { class: "share" },
      percent(share),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "soft" }, `log ${logarithm(score)}`),
    ),
  );
}
