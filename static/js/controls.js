/** What the user sets: which devices, and how results are put together. */

import { percent } from "./words.js";

const SETTINGS = {
  fusion_weight: (weight) => `${percent(weight)} voice, ${percent(1 - weight)} face`,
  voice_smoothing: (count) => `${count} ${count === 1 ? "window" : "windows"}`,
  face_smoothing: (count) => `${count} ${count === 1 ? "picture" : "pictures"}`,
};
const CONFIGURE_DELAY_MS = 150; // a slider that is being dragged sends its resting places only
const NONE = "none";

/** The pickers. `onChange` is called when the user chooses. */
export class DevicePickers {
  #selects = {
    camera: document.getElementById("camera"),
    microphone: document.getElementById("microphone"),
  };

  constructor(onChange) {
    for (const select of Object.values(this.#selects)) select.addEventListener("change", onChange);
    this.show({ camera: [], microphone: [] });
  }

  /** {camera, microphone}: a device id, "" for the default one, null for none. */
  get choice() {
    return Object.fromEntries(
      Object.entries(this.#selects).map(([device, { value }]) => [device, value === NONE ? null : value]),
    );
  }

  /** @param devices {camera: [{id, name}], microphone: [...]} as `listDevices` returns them */
  show(devices) {
    for (const [device, select] of Object.entries(this.#selects)) {
      const chosen = select.value;
      const listed = devices[device]
        .filter(({ id }) => id !== "default")
        .map(({ id, name }, i) => new Option(name || `${device} ${i + 1}`, id));
      select.replaceChildren(new Option("Default", ""), ...listed, new Option("None", NONE));
      select.value = chosen;
      if (select.selectedIndex < 0) select.value = ""; // the chosen one was unplugged
    }
  }
}

/** The sliders. `onConfigure` is called with the settings that the user changed. */
export class SettingSliders {
  #fieldset = document.getElementById("settings");
  #help = document.getElementById("fusion_weight-help");
  #weightWords = this.#help.textContent;
  #fusion = null; // the name of a model that weighs voice and face by itself
  #onConfigure;
  #changed = {};
  #timer = null;

  constructor(onConfigure) {
    this.#onConfigure = onConfigure;
    for (const name of Object.keys(SETTINGS)) {
      const slider = document.getElementById(name);
      slider.addEventListener("input", () => this.#change(name, Number(slider.value)));
    }
  }

  /** Null where a model fuses. */
  get fusionWeight() {
    return this.#fusion === null ? Number(document.getElementById("fusion_weight").value) : null;
  }

  /** Take bounds and values from the server's `ready`; what the user has changed stays changed. */
  show({ limits, settings, models }) {
    this.#fusion = models.fusion ?? null;
    for (const name of Object.keys(SETTINGS)) {
      const slider = document.getElementById(name);
      const [least, most] = limits[name];
      Object.assign(slider, { min: least, max: most });
      slider.value = this.#changed[name] ?? settings[name];
      this.#say(name, Number(slider.value));
    }
    this.#fieldset.disabled = false;
    const weight = document.getElementById("fusion_weight");
    weight.disabled = this.#fusion !== null;
    weight.parentElement.classList.toggle("off", weight.disabled);
    this.#help.textContent = weight.disabled ? `${this.#fusion} weighs voice and face by itself.` : this.#weightWords;
  }

  #change(name, value) {
    this.#say(name, value);
    this.#changed[name] = value;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onConfigure({ ...this.#changed }), CONFIGURE_DELAY_MS);
  }

  #say(name, value) {
    const words = SETTINGS[name](value);
    document.getElementById(`${name}-words`).textContent = words;
    document.getElementById(name).ariaValueText = words;
  }
}
