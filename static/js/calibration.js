/** The card where the models are fitted to the person in front of the page, and what it says of that. */

import { calibrationWords } from "./words.js";

const NONE = { state: "none", progress: 0, voice: false, face: false, heard: null, seen: null };
const LABELS = { none: "Calibrate", collecting: "Skip", done: "Calibrate again", failed: "Try again" };

export class CalibrationPanel {
  #card = document.getElementById("calibration");
  #state = document.getElementById("calibration-state");
  #progress = document.getElementById("calibration-progress");
  #button = document.getElementById("calibrate");
  #reset = document.getElementById("calibration-reset");
  #status = NONE;
  #isForgotten = false; // what was in force when the connection ended
  #hadFocus = false; // the button, when it could not be pressed any more

  /** @param onAction called with "start", "skip" or "reset" */
  constructor(onAction) {
    this.#button.addEventListener("click", () => onAction(this.#status.state === "collecting" ? "skip" : "start"));
    this.#reset.addEventListener("click", () => {
      this.#button.focus(); // this button is about to go
      onAction("reset");
    });
    document.addEventListener("pointerdown", () => (this.#hadFocus = false)); // who points elsewhere is elsewhere
    this.disconnect();
  }

  /** A server is there, and knows nothing of this person yet. `isPossible`: it says that its models can be fitted. */
  connect(isPossible) {
    this.show(NONE);
    this.#enable(isPossible);
    if (!isPossible) this.#say("The models of this server cannot be calibrated");
    else if (this.#isForgotten) this.#say("Forgotten with the connection that ended: calibrate again");
    this.#isForgotten = false;
  }

  disconnect() {
    this.#isForgotten ||= this.#status.voice || this.#status.face;
    this.show(NONE);
    this.#enable(false);
    this.#say("Not connected");
  }

  /** @param status the server's `calibration` message */
  show(status) {
    this.#status = status;
    const collects = status.state === "collecting";
    this.#progress.style.visibility = collects ? "visible" : "hidden";
    this.#progress.ariaValueNow = Math.round(100 * status.progress);
    this.#progress.firstElementChild.style.transform = `scaleX(${status.progress})`;
    this.#button.textContent = LABELS[status.state] ?? LABELS.none;
    this.#reset.hidden = collects || !(status.voice || status.face);
    this.#say(calibrationWords(status));
  }

  #enable(isPossible) {
    if (!isPossible && document.activeElement === this.#button) this.#hadFocus = true;
    this.#button.disabled = !isPossible;
    if (isPossible && this.#hadFocus && document.activeElement === document.body) this.#button.focus({ preventScroll: true });
    if (isPossible) this.#hadFocus = false;
    this.#card.classList.toggle("off", !isPossible);
  }

  /** Spoken by screen readers, so only when it changes. */
  #say(words) {
    if (this.#state.textContent !== words) this.#state.textContent = words;
  }
}
