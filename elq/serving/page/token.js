// The token: asks the reader for it where the server wants one, and keeps it.

import { get, say } from "./dom.js";
import { hasToken, keepToken } from "./server.js";

export function askForToken() {
  get("token-form").hidden = false;
  get("token-why").textContent = hasToken()
    ? "The server does not accept this token. Whoever runs the server can give you another."
    : "This server asks for a token. Whoever runs the server can give it to you.";
  say(get("problem"), "");
  get("token").focus();
}

// Calls a function when the reader has given a token.
export function onToken(then) {
  get("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keepToken(get("token").value.trim());
    get("token").value = "";
    get("token-form").hidden = true;
    then();
  });
}
