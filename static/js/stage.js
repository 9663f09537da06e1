/** The mirrored camera preview with the face box, and the microphone level below it. */

import { placeBox, placeLabel } from "./geometry.js";
import { leaders } from "./leaders.js";
import { confidenceWords, verdictWords } from "./words.js";

const QUIETEST_DB = -60;

export class Stage {
  #root = document.getElementById("stage");
  #boxElement = document.getElementById("face-box");
  #boxLabel = document.getElementById("face-box-label");
  #words = document.getElementById("stage-words");
  #meter = document.getElementById("level");
  #meterFill = this.#meter.firstElementChild;
  #box = null;

  video = document.getElementById("preview");

  constructor() {
    new ResizeObserver(() => this.#place()).observe(this.#root);
    this.video.addEventListener("resize", () => this.#place());
  }

  /** @param face `face` of a result */
  showFace({ box, probs }) {
    this.#box = box ?? null;
    const leading = leaders(probs);
    const emotion = leading.length === 1 ? leading[0] : ""; // one colour would take sides
    for (const part of [this.#boxElement, this.#boxLabel]) part.dataset.emotion = emotion;
    const words = [verdictWords(leading), leading.length === 1 && confidenceWords(leading, probs)].filter(Boolean).join(" ");
    this.#boxLabel.textContent = leading.length > 0 ? words : "";
    this.#place();
  }

  /** Words over an empty stage ("Camera is off"); null while there is a picture. */
  showWords(words) {
    this.#words.textContent = words ?? "";
    this.#words.hidden = words === null;
    this.#root.classList.toggle("empty", words !== null);
  }

  /** @param {number} rms of the newest sound, 0 to 1 */
  showLevel(rms) {
    const decibels = 20 * Math.log10(Math.max(rms, 1e-6));
    const level = Math.max(0, Math.min(1, 1 - decibels / QUIETEST_DB));
    this.#meterFill.style.transform = `scaleX(${level})`;
    this.#meter.ariaValueNow = String(Math.round(level * 100));
  }

  #place() {
    const { videoWidth, videoHeight } = this.video;
    this.#boxElement.hidden = this.#box === null || videoWidth === 0;
    this.#boxLabel.hidden = this.#boxElement.hidden || this.#boxLabel.textContent === "";
    if (this.#boxElement.hidden) return;
    const frame = { width: videoWidth, height: videoHeight };
    const stage = { width: this.#root.clientWidth, height: this.#root.clientHeight };
    const box = placeBox(this.#box, frame, stage);
    const label = { width: this.#boxLabel.offsetWidth, height: this.#boxLabel.offsetHeight };
    putAt(this.#boxElement, box);
    putAt(this.#boxLabel, placeLabel(box, label, stage));
  }
}

function putAt(element, place) {
  for (const [side, pixels] of Object.entries(place)) element.style[side] = `${pixels}px`;
}
