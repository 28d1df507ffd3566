// The chooser: a field with a list below it, in which a person looks for the right entity by its name.

import { make, own } from "./dom.js";

const WAIT = 150; // milliseconds after the last key, before the server is asked
export const ABSENT = { entity: null, title: "Not in the catalogue", description: "the words name something that the catalogue lacks" };

let number = 0; // so that ids differ

// first: the entities that the list begins with. find(typed) → a promise of entities. choose(entity), close(): callbacks.
export function chooser({ label, first, typed = "", find, choose, close, fail }) {
  const id = `chooser-${++number}`;
  const list = make("ul", { id: `${id}-list`, role: "listbox", "aria-label": "Entities" });
  const field = make("input", {
    id, type: "text", role: "combobox", autocomplete: "off", spellcheck: "false", dir: "auto",
    "aria-expanded": "true", "aria-autocomplete": "list", "aria-controls": `${id}-list`,
  });
  const box = make("div", { class: "chooser" }, make("label", { for: id }, label), field, list);
  let options = [], active = -1, timer = 0, asked = 0;

  function mark(place) {
    active = options.length ? (place + options.length) % options.length : -1;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === active)));
    if (active < 0) return field.removeAttribute("aria-activedescendant");
    field.setAttribute("aria-activedescendant", list.children[active].id);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function show(entities) {
    options = [...entities, ABSENT];
    list.replaceChildren(
      ...options.map((one, at) =>
        make(
          "li",
          { role: "option", id: `${id}-${at}`, "aria-selected": "false", onclick: () => choose(one) },
          own(one.title, { class: "name" }),
          one.entity === null ? null : " ",
          one.entity === null ? null : own(one.entity, { class: "id soft" }),
          one.description ? make("div", { class: "soft" }, own(one.description)) : null,
        ),
      ),
    );
    active = -1;
    field.removeAttribute("aria-activedescendant");
  }

  async function search() {
    const mine = ++asked;
    try {
      const found = field.value.trim() ? await find(field.value) : first;
      if (mine === asked) show(found);
    } catch (error) {
      if (mine === asked) fail(error);
    }
  }

  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT);
  });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") mark(active + 1);
    else if (event.key === "ArrowUp") mark(active < 0 ? -1 : active - 1);
    else if (event.key === "Enter" && active >= 0) choose(options[active]);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Escape closes the list, and not what is around it
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
  field.value = typed;
  show(first);
  if (typed) search();
  return { box, focus: () => field.focus() };
}
