/** Where the models run, on the server or on this device: the switch, what it says, and what it needs. */

import { reached } from "./device/unavailable.js";
import { placeWords } from "./words.js";

/** The folder of this page, which has the models in `device`. */
export const SITE = new URL("./", document.baseURI).href;
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
    if (this.choice === "device") this.#prepare({ wanted: false });
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
    const isShown = progress !== null && this.choice === "device";
    this.#progress.hidden = !isShown;
    if (!isShown) return;
    this.#progress.max = progress.total;
    this.#progress.value = progress.loaded;
    this.#say(placeWords("loading", progress));
  }

  /** What stands below the switch while nothing loads. */
  showReady() {
    this.showProgress(null);
    this.#say(placeWords(this.choice));
  }

  /** Why the models cannot be had here; it stands until they can. */
  showFailure(words) {
    this.showProgress(null);
    this.#say(words);
  }

  /** It holds at once: who has chosen this device and presses Start sends nothing, whatever can be had here. */
  #choose(place) {
    if (place === this.choice) return;
    this.#set(place);
    remember(place);
    this.#onChange(place);
    if (place === "device") this.#prepare({ wanted: true });
  }

  /**
   * Load the models, if the user has just asked for them or they are here; else a Start does. From now on the page is
   * to work without a network; where a browser forbids that, it works with one.
   */
  async #prepare({ wanted }) {
    try {
      const [{ isKept, loadManifest }, { warmEngine }] = await reached(
        Promise.all([import("./device/files.js"), import("./device/engine.js")]),
      );
      const manifest = await loadManifest(SITE);
      navigator.serviceWorker?.register("sw.js").catch(() => {});
      if (!wanted && !(await isKept(SITE, manifest))) return;
      await warmEngine({ base: SITE, onProgress: (progress) => this.showProgress(progress) });
      this.showReady();
    } catch (error) {
      if (this.choice === "device") this.showFailure(error.message);
    }
  }

  #set(place) {
    root.dataset.place = place;
    for (const input of this.#inputs) input.checked = input.value === place;
    this.showReady();
  }

  /** Spoken by screen readers, so only when it changes. */
  #say(words) {
    if (this.#words.textContent !== words) this.#words.textContent = words;
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
