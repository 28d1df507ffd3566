// The details of a link: its entity, what the scores say in words, and its candidates.

import { make, own } from "./dom.js";
import { exponential, logarithm, percent } from "./links.js";

const FIRST = 5; // candidates that are not folded

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
  parts.push(make("h3", {}, `Candidates (${link.candidates.length})`), candidates(link));
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
  const others = make("ul", { class: "candidates" }, ...items.slice(FIRST));
  return make("div", {}, first, make("details", {}, make("summary", {}, `${items.length - FIRST} less likely ones`), others));
}

function candidate(one) {
  const share = exponential(one.score), bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", `${100 * share}%`);
  return make(
    "li",
    {},
    make(
      "div",
      {},
      own(one.title, { class: "name" }), " ", own(one.entity, { class: "id soft" }),
      one.description ? make("div", {}, own(one.description)) : null,
      one.types.length ? make("div", { class: "soft" }, own(one.types.join(", "))) : null,
    ),
    make(
      "div",
      { class: "share" },
      percent(share),
      make("span", { class: "track", "aria-hidden": "true" }, bar),
      make("span", { class: "soft" }, `log ${logarithm(one.score)}`),
    ),
  );
}
