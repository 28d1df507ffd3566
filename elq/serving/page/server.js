// The server: sends requests, and says in one sentence why one has failed.

const KEPT = "elq-token"; // in the storage of this tab, so that a reload does not ask again

export class Failure extends Error {
  constructor(sentence, status = 0) {
    super(sentence);
    this.status = status;
  }
}

export function hasToken() {
  return Boolean(token());
}

export function keepToken(text) {
  try {
    sessionStorage.setItem(KEPT, text);
  } catch {
    kept = text; // a browser that stores nothing
  }
}

let kept = "";

function token() {
  try {
    return sessionStorage.getItem(KEPT) || kept;
  } catch {
    return kept;
  }
}

// The address of a path of the server, also where a proxy serves the page below a folder.
export const address = (path) => new URL(path, document.baseURI).href;

export const headersOf = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

export async function ask(path, { body, signal } = {}) {
  const headers = headersOf();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer, text;
  try {
    answer = await fetch(address(path), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
    });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure("The server cannot be reached. Check that it is running and that this computer is connected, then try again.");
  }
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    // a proxy may answer with a page of its own
  }
  if (answer.ok && value !== null) return value;
  throw new Failure(sentenceOf(value, answer), answer.status);
}

function sentenceOf(value, answer) {
  if (value !== null && typeof value.error === "string") return `The server says: ${value.error}`;
  if (answer.ok) return "The server has answered with something that is not JSON. Check that this address is an elq server.";
  return `The server has answered with the status ${answer.status} ${answer.statusText}`.trim() + " and without a reason. Try again.";
}
