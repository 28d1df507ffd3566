// Feedback: the buttons right, wrong and should be …, missed mentions, and saving the question on the server.

import { chooser } from "./chooser.js";
import { get, make, own } from "./dom.js";
import { codePoints, unitPlaces } from "./links.js";
import { ask } from "./server.js";
import { Verdicts } from "./verdicts.js";

const OFF =
  "Verdicts are not kept, since the server was started without a feedback file. To switch it on, start the server with"
  + " --feedback FILE, for example: elq serve --feedback feedback.jsonl";
const ALONE = "A verdict is about the question alone. To give one, choose all types and take the earlier turns away.";
const SELECT =
  "First select the missed words in the question, with the mouse or with Shift and the arrow keys. Then press this button again.";

export class Feedback {
  // page: path(what), shown(), render(), fail(error).
  constructor(state, page) {
    Object.assign(this, { state, page, verdicts: new Verdicts(), choosing: null, status: "", saving: Promise.resolve() });
    get("all-right").addEventListener("click", () => this.allRight());
    get("missed").addEventListener("click", () => this.markMissed());
  }

  clear() {
    this.verdicts.clear();
    this.choosing = null;
    this.status = "";
  }

  verdictOf(link) {
    return this.verdicts.of(link);
  }

  // Why verdicts cannot be given now; empty if they can.
  get hindrance() {
    const { about, asked } = this.state;
    return about.feedback === null ? OFF : asked.type || asked.turns.length ? ALONE : "";
  }

  may() {
    this.status = this.hindrance;
    if (this.status) this.page.render();
    return !this.status;
  }

  // The row of buttons in the details of a link.
  buttonsFor(link) {
    const given = this.verdicts.of(link), other = this.verdicts.judged.get(`${link.start}:${link.end}`);
    const button = (verdict, text, onclick) =>
      make("button", { type: "button", id: `verdict-${verdict}`, "aria-pressed": String(given === verdict), onclick }, text);
    const row = make(
      "div",
      { class: "row", role: "group", "aria-label": "Is this link right?" },
      button("right", "Right", () => this.judge(link, "right")),
      button("wrong", "Wrong", () => this.judge(link, "wrong")),
      button("other", "Should be…", () => this.chooseFor(link)),
    );
    const box = make("div", {}, row);
    if (given === "other") box.append(make("p", {}, "You said that it should be ", own(other.title), "."));
    if (this.choosing?.link?.start === link.start && this.choosing.link.end === link.end) box.append(this.choosing.box);
    return box;
  }

  judge(link, verdict, entity) {
    if (!this.may()) return;
    this.choosing = null;
    this.verdicts.judge(link, verdict, entity);
    this.save();
  }

  allRight() {
    if (!this.may()) return;
    this.verdicts.allRight(this.page.shown());
    this.save();
  }

  chooseFor(link) {
    if (!this.may()) return;
    const first = link.candidates.filter((one) => one.entity !== link.entity);
    const choose = (entity) => {
      this.judge(link, "other", entity);
      get("verdict-other")?.focus();
    };
    this.openChooser({ label: "Which entity do these words mean? Type the beginning of a name.", first, choose }, { link });
  }

  markMissed() {
    if (!this.may()) return;
    const span = this.selected(), { text } = this.state.answer, units = unitPlaces(text);
    if (!span) {
      this.status = SELECT;
      return this.page.render();
    }
    const words = text.slice(units[span.start], units[span.end]);
    const choose = (entity) => {
      this.choosing = null;
      this.verdicts.add(span, entity);
      this.save();
      get("missed").focus();
    };
    this.openChooser({ label: `Which entity does “${words}” mean? Type the beginning of a name.`, first: [], typed: words, choose }, {});
  }

  openChooser(options, where) {
    const find = async (typed) => (await ask(`${this.page.path("entities")}?q=${encodeURIComponent(typed.slice(0, 200))}&limit=10`)).entities;
    this.choosing = { ...where, ...chooser({ ...options, find, close: () => this.escape(), fail: this.page.fail }) };
    this.status = "";
    this.page.render();
    this.choosing.focus();
  }

  // Closes the list of entities; says whether one was open.
  escape() {
    if (!this.choosing) return false;
    const back = this.choosing.link ? "verdict-other" : "missed";
    this.choosing = null;
    this.page.render();
    get(back)?.focus();
    return true;
  }

  // The selected words as code points [start, end), without spaces around them; null if nothing is selected.
  selected() {
    const { text } = this.state.answer, field = get("question");
    let [from, to] = unitsOf(getSelection()) ?? [0, 0];
    if (from === to && field.value === text) [from, to] = [field.selectionStart, field.selectionEnd];
    const words = text.slice(from, to), trimmed = words.trim();
    if (!trimmed) return null;
    from += words.indexOf(trimmed);
    return { start: codePoints(text, from), end: codePoints(text, from + trimmed.length) };
  }

  // Saves the question if each shown link has a verdict. Verdicts are sent one after the other, so the last one is kept.
  save() {
    const { text } = this.state.answer, open = this.verdicts.open(this.page.shown());
    this.status = open
      ? `${open} ${open === 1 ? "link has" : "links have"} no verdict yet. The question is saved when each shown link has one.`
      : "Saving…";
    this.page.render();
    if (open) return;
    const record = this.verdicts.record(text), path = this.page.path("feedback");
    const send = async () => {
      try {
        const { file, questions, replaced } = await ask(path, { body: record });
        const number = `${questions.toLocaleString("en")} ${questions === 1 ? "question" : "questions"}`;
        this.status = `Saved in ${file}, which has ${number}.` + (replaced ? " It replaces your earlier verdict." : "");
      } catch (error) {
        this.status = "This verdict was not saved.";
        this.page.fail(error);
      }
      if (this.state.answer?.text === text) this.page.render();
    };
    this.saving = this.saving.then(send);
  }

  render(links) {
    const row = get("verdicts").querySelector(".row");
    get("all-right").textContent = links.length ? (links.length === 1 ? "The link is right" : "All links are right") : "Right: nothing to link";
    get("gold").replaceChildren(...this.verdicts.mentions().map((one) => this.item(one)));
    const place = this.choosing && !this.choosing.link ? this.choosing.box : null;
    row.nextElementSibling.classList.contains("chooser") && row.nextElementSibling.remove();
    if (place) row.after(place);
    get("verdict-status").textContent = this.status;
  }

  item(one) {
    const { text } = this.state.answer, units = unitPlaces(text);
    const words = text.slice(units[one.start], units[one.end]);
    const said = make("li", {}, own(words), " means ", own(one.title, { class: "name" }), " ", own(one.entity ?? "", { class: "id soft" }));
    if (this.verdicts.missed.has(`${one.start}:${one.end}`)) {
      const remove = () => {
        this.verdicts.remove(one);
        this.save();
        get("missed").focus();
      };
      said.append(" ", make("button", { type: "button", "aria-label": `Remove ${words}`, onclick: remove }, "Remove"));
    }
    return said;
  }
}

// The UTF-16 places of a selection in the shown text; null if it is elsewhere.
function unitsOf(selection) {
  if (!selection || selection.isCollapsed || !selection.rangeCount) return null;
  const range = selection.getRangeAt(0);
  const [from, to] = [placeOf(range.startContainer, range.startOffset), placeOf(range.endContainer, range.endOffset)];
  return from === null || to === null ? null : [from, to];
}

function placeOf(node, offset) {
  const piece = node.parentElement?.closest("[data-start]");
  return piece && get("text").contains(piece) ? Number(piece.dataset.start) + offset : null;
}
