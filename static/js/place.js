/** Where the models run, on the server or on this device: the switch, what it says, and what it needs. */

import { placeWords } from "./words.js";

const KEY = "place";
const root = document.documentElement;

export class PlaceSwitch {
  #inputs = [...document.querySelectorAll("#place input")];
  #words = document.getElementById("place-words");
  #progress = document.getElementById("place-progress");
  #onChange;

  /** @param onChange called with "server" or "device" when the user has chosen the other one */
  constructor(onChange) {
    this.#onChange = onChange;
    for (const input of this.#inputs) input.addEventListener("change", () => this.#choose(input.value));
    if (this.isFixed) this.showReady();
    else this.#set(remembered() === "device" ? "device" : "server");
    if (this.choice === "device") this.#prepare();
  }

  /** "server" or "device". */
  get choice() {
    return root.dataset.place;
  }

  /** A page without a server has no choice, and says so in its root element. */
  get isFixed() {
    return root.hasAttribute("data-fixed");
  }

  /** @param progress {loaded, total} of the models' files, or null once they are there */
  showProgress(progress) {
    this.#progress.hidden = progress === null;
    if (progress === null) return;
    this.#progress.max = progress.total;
    this.#progress.value = progress.loaded;
    this.#say(placeWords("loading", progress));
  }

  /** What stands below the switch while nothing loads. */
  showReady() {
    this.showProgress(null);
    this.#say(placeWords(this.choice));
  }

  /** It holds at once: who has chosen this device and presses Start sends nothing, whatever can be had here. */
  #choose(place) {
    if (place === this.choice) return;
    this.#set(place);
    remember(place);
    this.#onChange(place);
    if (place === "device") this.#prepare();
  }

  /** From now on the page is to work without a network. Where a browser forbids that, it works with one. */
  async #prepare() {
    const hindrance = await this.#hindrance();
    if (hindrance !== null && this.choice === "device") this.#say(hindrance);
    if (hindrance === null) navigator.serviceWorker?.register("sw.js").catch(() => {});
  }

  /** Why this device cannot run the models, or null. */
  async #hindrance() {
    try {
      const { loadManifest } = await import("./device/files.js");
      await loadManifest(document.baseURI);
      return null;
    } catch (error) {
      return error.message;
    }
  }

  #set(place) {
    root.dataset.place = place;
    for (const input of this.#inputs) input.checked = input.value === place;
    this.showReady();
  }

  #say(words) {
    this.#words.textContent = words;
  }
}

/** A browser may forbid to store anything; then each visit begins with the server. */
function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(place) {
  try {
    localStorage.setItem(KEY, place);
  } catch {
    // chosen again next time
  }
}
