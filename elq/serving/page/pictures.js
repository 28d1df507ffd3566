// The page for pictures: a text, its mention, a picture and a box in it, and the entities that the server answers with.

import { get, make, own, say } from "./dom.js";
import { codePoints, exponential, percent } from "./links.js";
import { address, ask, Failure, headersOf } from "./server.js";
import { askForToken, onToken } from "./token.js";

let picture = null; // the file that was chosen
let box = null; // left, top, right, bottom in pixels of the picture
let running = null; // stops a request that is no longer wanted
const SIDES = ["left", "top", "right", "bottom"];

onToken(link);

get("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  link();
});

get("take").addEventListener("click", () => {
  const field = get("text-in");
  get("words").value = field.value.slice(field.selectionStart, field.selectionEnd).trim();
});

// The picture

get("file").addEventListener("change", () => choose(get("file").files[0] ?? null));
get("no-picture").addEventListener("click", () => {
  get("file").value = "";
  choose(null);
});

for (const name of ["dragenter", "dragover"]) {
  get("drop").addEventListener(name, (event) => {
    event.preventDefault();
    get("drop").classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) get("drop").addEventListener(name, () => get("drop").classList.remove("over"));
get("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
});

function choose(file) {
  picture = file;
  setBox(null);
  if (get("shown").src) URL.revokeObjectURL(get("shown").src);
  if (file) get("shown").src = URL.createObjectURL(file);
  else get("shown").removeAttribute("src");
  for (const id of ["canvas", "box", "no-picture"]) get(id).hidden = !file;
}

get("shown").addEventListener("error", () => {
  if (picture) say(get("problem"), "The browser cannot show this file. Choose a picture, such as a JPEG or PNG file.");
});

// The box, which is drawn with the mouse or typed as numbers

let corner = null; // where the drawing began

function placeOf(event) {
  const area = get("shown").getBoundingClientRect();
  const part = (value, from, size, most) => Math.round((Math.min(Math.max(value - from, 0), size) / size) * most);
  return [
    part(event.clientX, area.left, area.width, get("shown").naturalWidth),
    part(event.clientY, area.top, area.height, get("shown").naturalHeight),
  ];
}

get("canvas").addEventListener("pointerdown", (event) => {
  event.preventDefault();
  corner = placeOf(event);
  get("canvas").setPointerCapture(event.pointerId);
});
get("canvas").addEventListener("pointermove", (event) => {
  if (corner) setBox(between(corner, placeOf(event)));
});
get("canvas").addEventListener("pointerup", (event) => {
  if (corner) setBox(between(corner, placeOf(event)));
  corner = null;
});

function between([x, y], [u, v]) {
  return x === u || y === v ? null : [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)];
}

function setBox(value) {
  box = value;
  SIDES.forEach((side, number) => {
    get(side).value = value ? value[number] : "";
  });
  drawBox();
}

function drawBox() {
  get("frame").hidden = !box;
  if (!box) return;
  const shown = get("shown");
  const [across, down] = [shown.clientWidth / shown.naturalWidth, shown.clientHeight / shown.naturalHeight];
  const style = get("frame").style;
  [style.left, style.top] = [`${box[0] * across}px`, `${box[1] * down}px`];
  [style.width, style.height] = [`${(box[2] - box[0]) * across}px`, `${(box[3] - box[1]) * down}px`];
}

for (const side of SIDES) {
  get(side).addEventListener("input", () => {
    const typed = SIDES.map((name) => get(name).value);
    box = typed.every((text) => text !== "") ? typed.map(Number) : null;
    drawBox();
  });
}
get("no-box").addEventListener("click", () => setBox(null));
addEventListener("resize", drawBox);

// The request

function mentionsOf(text) {
  const words = get("words").value.trim();
  if (!words) return null;
  const found = [];
  for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
    found.push([codePoints(text, at), codePoints(text, at + words.length)]);
  }
  if (!found.length) throw new Failure(`The words “${words}” are not in the text. Type them as they are in the text.`);
  return found;
}

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}

async function link() {
  running?.abort();
  const mine = new AbortController();
  running = mine;
  say(get("problem"), "");
  try {
    const text = get("text-in").value;
    const mentions = mentionsOf(text);
    if (!mentions && !box) {
      throw new Failure("Say what is meant: type the words of the mention, or draw a box in the picture.");
    }
    const body = { text };
    if (mentions) body.mentions = mentions;
    if (picture) body.image = await base64(picture);
    if (box) body.box = box;
    const answer = await ask("pictures/link", { body, signal: mine.signal });
    if (running === mine) show(answer);
  } catch (error) {
    if (error.name === "AbortError" || running !== mine) return;
    get("answer").hidden = true;
    if (error.status === 401) askForToken();
    else say(get("problem"), error.message);
  }
}

// The answer

function show(answer) {
  get("links").replaceChildren(...answer.links.map((each) => card(each, answer.pictures)));
  say(get("count"), answer.links.length === 1 ? "1 mention was linked." : `${answer.links.length} mentions were linked.`);
  get("answer").hidden = false;
}

function card(found, pictures) {
  const title = found.box ? "What is in the box" : null;
  return make(
    "section",
    { class: "card" },
    make("h3", {}, title ?? own(`“${found.mention}”`)),
    ...found.candidates.map((one, number) => line(one, pictures[one.entity] ?? 0, number === 0)),
  );
}

function line(candidate, pictures, first) {
  const place = make("div", {});
  if (pictures) showPicture(place, candidate);
  const share = exponential(candidate.score);
  const bar = make("span", { class: "bar" });
  bar.style.setProperty("--share", `${(100 * share).toFixed(1)}%`);
  return make(
    "div",
    { class: first ? "pictured first" : "pictured" },
    place,
    make(
      "div",
      {},
      own(candidate.title, { class: "name" }),
      " ",
      own(candidate.entity, { class: "id soft" }),
      make("div", { class: "soft" }, own(candidate.description)),
    ),
    make("div", { class: "share" }, percent(share), make("span", { class: "track" }, bar)),
  );
}

// A picture is fetched with the token, which an address in an element cannot carry.
async function showPicture(place, candidate) {
  try {
    const path = `pictures/entities/0/${candidate.entity.split("/").map(encodeURIComponent).join("/")}`;
    const answer = await fetch(address(path), { headers: headersOf() });
    if (!answer.ok) return;
    const source = URL.createObjectURL(await answer.blob());
    const shown = make("img", { src: source, alt: `a picture of ${candidate.title}` });
    shown.addEventListener("load", () => URL.revokeObjectURL(source));
    place.replaceChildren(shown);
  } catch {
    // the link stands without its picture
  }
}
