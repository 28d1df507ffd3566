// Elements of the page. Text of the server only becomes text nodes: it is never read as HTML.

export const get = (id) => document.getElementById(id);

// An element with attributes and children; a child that is a string becomes text, and null is left out.
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Text in a language and direction of its own.
export const own = (text, attributes = {}) => make("bdi", attributes, text);

export function say(element, text) {
  element.textContent = text;
  element.hidden = !text;
}
