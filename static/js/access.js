/** Asks for the server's token, called an access code, and keeps it for this tab. */

import { accessWords } from "./words.js";

const KEY = "access-code";
const ENTERED = "entered";

export class Access {
  #dialog = document.getElementById("access");
  #input = document.getElementById("access-code");
  #words = document.getElementById("access-words");

  /** @param onToken called with what the user has entered, @param onCancel where that was nothing */
  constructor(onToken, onCancel) {
    document.getElementById("access-cancel").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => {
      this.#input.value = "";
      if (this.#dialog.returnValue !== ENTERED) onCancel();
    });
    this.#dialog.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = this.#input.value;
      this.#dialog.close(ENTERED);
      stored((storage) => storage.setItem(KEY, token));
      onToken(token);
    });
  }

  /** What was entered in this tab before, or null. */
  get token() {
    return stored((storage) => storage.getItem(KEY));
  }

  /** @param isWrong whether the one that we had was not the right one */
  ask(isWrong) {
    stored((storage) => storage.removeItem(KEY));
    this.#words.textContent = accessWords(isWrong);
    this.#dialog.returnValue = "";
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}

/** A browser may forbid to store anything; then the code is asked for again after a reload. */
function stored(use) {
  try {
    return use(sessionStorage) ?? null;
  } catch {
    return null;
  }
}
