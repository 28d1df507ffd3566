// The page: asks the server, shows the links, and keeps what the reader has chosen.

import { get, make, own, say } from "./dom.js";
import { detailsOf } from "./details.js";
import { Feedback } from "./feedback.js";
import { curlOf, directionOf, lowestFields, needsOwn, percent, ruleFields, shownLinks, unitPlaces } from "./links.js";
import { address, ask, Failure, hasToken } from "./server.js";
import { askForToken, onToken } from "./token.js";

const TYPING = 350; // milliseconds after the last key, before the server is asked
const AGAIN = 2000; // milliseconds until a server that starts is asked again

const state = {
  catalogue: "", about: null, limits: null,
  asked: null, // what the answer was asked for: the text, the type and the earlier turns
  answer: null, // its links above the lowest threshold
  rule: {}, // {}: the model's own thresholds; { probability }; { threshold }
  open: null, // the span of the link whose details are shown
};
let pending = null; // stops the request that runs
let timer = 0;

const feedback = new Feedback(state, { path: pathOf, shown, render, fail });

function pathOf(what) {
  return `v1/${encodeURIComponent(state.catalogue)}/${what}`;
}

function shown() {
  return state.answer ? shownLinks(state.answer, state.rule, state.about) : [];
}

// --- errors

function fail(error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof Failure)) console.error(error);
  if (error.status === 401) {
    askForToken();
    return;
  }
  say(get("problem"), error instanceof Failure ? error.message : "The page has made a mistake. Load it again.");
}

onToken(() => {
  get("question").focus();
  start();
});

// --- the catalogue

async function start() {
  try {
    const info = await ask("info");
    const names = Object.keys(info.catalogues);
    if (!names.length) throw new Failure("The server opens its catalogues. The page goes on by itself.", 503);
    state.limits = info.limits;
    say(get("version"), `elq ${info.elq}`);
    if (!names.includes(state.catalogue)) state.catalogue = info.default;
    get("catalogue").replaceChildren(...names.map((name) => make("option", { value: name, selected: name === state.catalogue }, name)));
    get("catalogue-row").hidden = names.length < 2;
    await openCatalogue();
    say(get("problem"), "");
  } catch (error) {
    fail(error);
    if (error.status === 503) setTimeout(start, AGAIN);
  }
}

async function openCatalogue() {
  state.about = await ask(pathOf("page"));
  const { about } = state;
  get("size").textContent = `${about.entities.toLocaleString("en")} ${about.entities === 1 ? "entity" : "entities"} in the catalogue`;
  showExamples(about.examples);
  const types = about.types.map(({ type, entities }) => make("option", { value: type }, `${type} (${entities.toLocaleString("en")})`));
  get("types").replaceChildren(make("option", { value: "" }, "all types"), ...types);
  get("types-control").hidden = !types.length;
  setUpSlider();
  await link();
}

get("catalogue").addEventListener("change", async () => {
  state.catalogue = get("catalogue").value;
  state.open = null;
  try {
    await openCatalogue();
  } catch (error) {
    fail(error);
  }
});

function showExamples(examples) {
  const title = get("examples").firstElementChild;
  const use = (text) => () => {
    get("question").value = text;
    link();
  };
  const buttons = examples.map((text) => make("button", { type: "button", class: "example", onclick: use(text) }, own(text)));
  get("examples").replaceChildren(title, ...buttons);
  get("examples").hidden = !examples.length;
  get("examples-note").hidden = examples[0] !== "who directed titanic?";
}

// --- the question

const turns = () => get("turns").value.split("\n").filter((line) => line.trim());

async function link() {
  clearTimeout(timer);
  pending?.abort();
  const asked = { text: get("question").value, type: get("types").value, turns: turns() };
  if (!state.about || !asked.text.trim()) {
    state.answer = null;
    return render();
  }
  pending = new AbortController();
  const { signal } = pending;
  const send = (fields) => ask(pathOf("link"), { body: { ...bodyOf(asked), ...fields, with_candidates: true }, signal });
  try {
    const fields = [lowestFields(state.about), ...(needsOwn(state.about) ? [{}] : [])];
    const [all, ofModel] = await Promise.all(fields.map(send));
    if (all.version !== state.about.version) return await openCatalogue(); // the server has opened newer files
    if (state.asked?.text !== asked.text) feedback.clear();
    state.asked = asked;
    const [result] = all.results;
    state.answer = { ...result, catalogue: all.catalogue, version: all.version, own: ofModel?.results[0].links };
    say(get("problem"), "");
    render();
  } catch (error) {
    if (error.name !== "AbortError") {
      state.answer = null;
      render();
    }
    fail(error);
  }
}

function bodyOf(asked) {
  const body = { question: asked.text };
  if (asked.type) body.types = [asked.type];
  if (asked.turns.length) body.context = asked.turns;
  return body;
}

function soon(event) {
  clearTimeout(timer);
  if (!event.isComposing) timer = setTimeout(link, TYPING);
}

get("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  link();
});
for (const id of ["question", "turns"]) get(id).addEventListener("input", soon);
get("question").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  link();
});
get("types").addEventListener("change", link);

// --- the threshold

function setUpSlider() {
  const slider = get("threshold"), likely = state.about.min_probability !== null;
  [slider.min, slider.max, slider.step] = likely ? [0, 100, 1] : [state.about.lowest, 0, 0.05];
  get("threshold-label").textContent = likely ? "Lowest probability" : "Lowest score (threshold γ)";
  state.rule = {};
  showThreshold();
}

function showThreshold() {
  const slider = get("threshold"), { about, rule } = state, likely = about.min_probability !== null;
  const mine = rule.probability === undefined && rule.threshold === undefined;
  if (mine) slider.value = likely ? Math.round(100 * about.min_probability) : (about.threshold ?? about.lowest);
  const said = likely ? percent(mine ? about.min_probability : rule.probability) : Number(slider.value).toFixed(2);
  get("threshold-value").textContent = said;
  slider.setAttribute("aria-valuetext", said);
  const unit = likely ? "" : " This model has no calibration, so its scores are logarithms and not probabilities.";
  get("threshold-note").textContent = (mine ? "This is the model’s own threshold." : "Links below it are hidden.") + unit;
  get("own-threshold").hidden = mine;
}

get("threshold").addEventListener("input", () => {
  const value = Number(get("threshold").value);
  state.rule = state.about.min_probability === null ? { threshold: value } : { probability: value / 100 };
  showThreshold();
  render();
});
get("own-threshold").addEventListener("click", () => {
  state.rule = {};
  showThreshold();
  render();
  get("threshold").focus();
});

// --- the links

const idOf = (one) => `mention-${one.start}-${one.end}`;

function render() {
  const focused = document.activeElement?.id, { answer } = state, links = shown();
  get("answer").hidden = !answer;
  if (!answer) return;
  const opened = links.find((one) => idOf(one) === state.open);
  if (!opened) state.open = null;
  get("text").dir = directionOf(answer.text);
  get("text").replaceChildren(...pieces(answer.text, links));
  const hidden = answer.links.length - links.length;
  get("count").textContent = links.length
    ? `${links.length} ${links.length === 1 ? "link" : "links"}. Press one for its candidates and scores.`
    : hidden > 0 ? "No link is above the threshold. A lower threshold shows less likely ones." : "Nothing in this text is linked.";
  const long = answer.windows > 1;
  say(get("windows"), long ? `The text is long: it was read in ${answer.windows} overlapping windows, and nothing was cut.` : "");
  get("details").hidden = !opened;
  get("details").replaceChildren(...(opened ? detailsOf(opened, feedback.buttonsFor(opened), close).filter(Boolean) : []));
  feedback.render(links);
  say(get("copied"), "");
  get("copy-text").hidden = get("copy-text-label").hidden = true;
  if (focused && document.activeElement?.id !== focused) get(focused)?.focus({ preventScroll: true });
}

function pieces(text, links) {
  const units = unitPlaces(text), made = [];
  let from = 0;
  const plain = (to) => to > from && made.push(make("span", { class: "piece", "data-start": from }, text.slice(from, to)));
  for (const one of links) {
    plain(units[one.start]);
    made.push(mention(one, units[one.start], text.slice(units[one.start], units[one.end])));
    from = units[one.end];
  }
  plain(text.length);
  return made;
}

function mention(one, start, words) {
  const sure = one.probability === null ? `score ${one.score?.toFixed(2) ?? "−∞"}` : percent(one.probability);
  const toggle = () => {
    state.open = state.open === idOf(one) ? null : idOf(one);
    render();
  };
  const verdict = feedback.verdictOf(one), sign = { right: "✓ ", wrong: "✗ ", other: "✎ " }[verdict] ?? "";
  return make(
    "button",
    {
      type: "button", id: idOf(one), class: `mention ${verdict ?? ""}`, onclick: toggle,
      "aria-expanded": String(state.open === idOf(one)), "aria-controls": "details",
    },
    own(words, { class: "words", "data-start": start }),
    make("span", { class: "label" }, make("span", { class: "sign" }, sign), own(one.title), " · ", own(one.entity), ` · ${sure}`),
  );
}

function close() {
  const id = state.open;
  state.open = null;
  render();
  get(id)?.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !feedback.escape() && state.open) close();
});
get("text").addEventListener("keydown", (event) => {
  const all = [...get("text").querySelectorAll(".mention")], at = all.indexOf(document.activeElement);
  const forwards = getComputedStyle(get("text")).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  const backwards = forwards === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
  const to = { [forwards]: at + 1, [backwards]: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (at < 0 || to === undefined || !all[to]) return;
  event.preventDefault();
  all[to].focus();
});

// --- copies

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(get("copied"), `${what} was copied.`);
  } catch { // a browser gives no clipboard to a page without https
    get("copy-text").hidden = get("copy-text-label").hidden = false;
    get("copy-text").value = text;
    get("copy-text").select();
    say(get("copied"), "The browser does not let the page copy: copy the text below.");
  }
}

get("copy-json").addEventListener("click", () => {
  const { catalogue, version, text, windows } = state.answer;
  const links = shown().map(({ candidates, nil_score, ...link }) => link);
  copy(JSON.stringify({ catalogue, version, results: [{ text, windows, links }] }, null, 2), "The answer as JSON");
});
get("copy-curl").addEventListener("click", () => {
  const body = { ...bodyOf(state.asked), ...ruleFields(state.rule) };
  copy(curlOf(address(pathOf("link")), body, hasToken()), "The command");
});

start();
