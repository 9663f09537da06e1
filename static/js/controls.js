/** What the user sets: which devices, and how results are put together. */

import { keep, recall } from "./preferences.js";
import { percent } from "./words.js";

const SETTINGS = {
  fusion_weight: (weight) => `${percent(weight)} voice, ${percent(1 - weight)} face`,
  voice_smoothing: (count) => `${count} ${count === 1 ? "window" : "windows"}`,
  face_smoothing: (count) => `${count} ${count === 1 ? "picture" : "pictures"}`,
};
const CONFIGURE_DELAY_MS = 150; // a slider that is being dragged sends its resting places only
const NONE = "none";

/** The pickers. `onChange` is called when the user chooses; what was chosen on an earlier visit is chosen again. */
export class DevicePickers {
  #selects = {
    camera: document.getElementById("camera"),
    microphone: document.getElementById("microphone"),
  };
  #listed = new Set();

  constructor(onChange) {
    const recalled = recall();
    for (const [device, select] of Object.entries(this.#selects)) {
      this.#fill(device, [], recalled[device] ?? "");
      select.addEventListener("change", () => {
        keep({ [device]: select.value });
        onChange();
      });
    }
  }

  /**
   * {camera, microphone}: a device id, "" for the default one, null for none; {ideal: id} for one of an earlier visit,
   * which may be gone, while nobody knows what there is.
   */
  get choice() {
    const chosen = (id) => (id === "" || this.#listed.has(id) ? id : { ideal: id });
    return Object.fromEntries(
      Object.entries(this.#selects).map(([device, { value }]) => [device, value === NONE ? null : chosen(value)]),
    );
  }

  /** @param devices {camera: [{id, name}], microphone: [...]} as `listDevices` returns them */
  show(devices) {
    for (const [device, select] of Object.entries(this.#selects)) this.#fill(device, devices[device], select.value);
  }

  #fill(device, devices, chosen) {
    const options = devices
      .filter(({ id }) => id !== "default")
      .map(({ id, name }, i) => new Option(name || `${device} ${i + 1}`, id));
    options.forEach(({ value }) => this.#listed.add(value));
    const known = ["", NONE, ...options.map(({ value }) => value)];
    // Before the permission browsers list nothing: whether the one of last time is there, the start shows.
    const isAwaited = devices.length === 0 && !known.includes(chosen) && !this.#listed.has(chosen);
    if (isAwaited) options.push(new Option("As last time", chosen));
    const select = this.#selects[device];
    select.replaceChildren(new Option("Default", ""), ...options, new Option("None", NONE));
    select.value = isAwaited || known.includes(chosen) ? chosen : ""; // the chosen one was unplugged
  }
}

/** Where there is little room the sliders are folded; where there is enough, the style sheet shows them anyway. */
export function letSettingsFold() {
  const toggle = document.getElementById("settings-toggle");
  toggle.addEventListener("click", () => {
    const isOpen = toggle.getAttribute("aria-expanded") === "false";
    toggle.setAttribute("aria-expanded", isOpen);
    toggle.textContent = isOpen ? "Hide" : "Show";
  });
}

/** The sliders. `onConfigure` is called with the settings that the user changed, now or on an earlier visit. */
export class SettingSliders {
  #fieldset = document.getElementById("settings");
  #help = document.getElementById("fusion_weight-help");
  #weightWords = this.#help.textContent;
  #fusion = null; // the name of a model that weighs voice and face by itself
  #onConfigure;
  #defaults = {};
  #recalled = recall();
  #changed = {};
  #timer = null;

  constructor(onConfigure) {
    this.#onConfigure = onConfigure;
    for (const name of Object.keys(SETTINGS)) {
      const slider = document.getElementById(name);
      slider.addEventListener("input", () => this.#change(name, Number(slider.value)));
    }
    document.getElementById("settings-reset").addEventListener("click", () => this.#reset());
  }

  /** Null where a model fuses. */
  get fusionWeight() {
    return this.#fusion === null ? Number(document.getElementById("fusion_weight").value) : null;
  }

  /** Take bounds and defaults from the server's `ready`; what the user has changed stays changed, within the bounds. */
  show({ limits, settings, models }) {
    this.#fusion = models.fusion ?? null;
    const recalled = {};
    for (const name of Object.keys(SETTINGS)) {
      // What was changed before is in the `ready` of a device.
      if (!(name in this.#changed)) this.#defaults[name] = settings[name];
      const slider = document.getElementById(name);
      const [least, most] = limits[name];
      Object.assign(slider, { min: least, max: most });
      this.#put(name, this.#changed[name] ?? this.#recalled[name] ?? settings[name]);
      if (name in this.#recalled) recalled[name] = Number(slider.value); // a slider stays within its bounds
    }
    this.#recalled = {};
    if (Object.keys(recalled).length > 0) this.#tell(recalled);
    this.#fieldset.disabled = false;
    const weight = document.getElementById("fusion_weight");
    weight.disabled = this.#fusion !== null;
    weight.parentElement.classList.toggle("off", weight.disabled);
    this.#help.textContent = weight.disabled ? `${this.#fusion} weighs voice and face by itself.` : this.#weightWords;
  }

  #change(name, value) {
    this.#say(name, value);
    this.#changed[name] = value;
    keep({ [name]: value });
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onConfigure({ ...this.#changed }), CONFIGURE_DELAY_MS);
  }

  #reset() {
    clearTimeout(this.#timer);
    for (const [name, value] of Object.entries(this.#defaults)) this.#put(name, value);
    keep(Object.fromEntries(Object.keys(SETTINGS).map((name) => [name, null])));
    this.#tell(this.#defaults);
  }

  /** From now on the stream goes by these, also after a reconnect. */
  #tell(settings) {
    Object.assign(this.#changed, settings);
    this.#onConfigure({ ...this.#changed });
  }

  #put(name, value) {
    document.getElementById(name).value = value;
    this.#say(name, Number(document.getElementById(name).value));
  }

  #say(name, value) {
    const words = SETTINGS[name](value);
    document.getElementById(`${name}-words`).textContent = words;
    document.getElementById(name).ariaValueText = words;
  }
}
