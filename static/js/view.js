/**
 * The page as it is seen. It takes results of the protocol and shows them; it does not know whether a
 * server or a model in the browser made them.
 */

import { leaders } from "./leaders.js";
import { Problems } from "./problems.js";
import { Reading, TopFive, markUnknown } from "./readings.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Toast } from "./toast.js";
import { LABELS, capitalise, connectionWords, labelsKnown, modelWords, signWords, stateWords, verdictWords } from "./words.js";

const TITLE = document.title;
const PATHS = ["voice", "face", "fused"];
/** The device behind each path, and behind each delay. */
const DEVICES = { voice: "microphone", face: "camera", audio: "microphone", frame: "camera" };
const NO_FACE = { box: null, probs: {} };
const NOTHING = "\u2013";

const element = (id) => document.getElementById(id);
const milliseconds = (value) => `${Math.round(value)}\u202fms`;

export class View {
  #stage = new Stage();
  #readings = Object.fromEntries(PATHS.map((path) => [path, new Reading(path)]));
  #topFive = new TopFive(element("top5"));
  #timeline = new Timeline(element("timeline"));
  #problems = new Problems();
  #legend = LABELS.map((label) => Object.assign(document.createElement("li"), { textContent: capitalise(label) }));
  #toast = new Toast(element("problems"), (subject) => {
    this.#problems.dismiss(subject);
    this.#showProblems();
  });
  #announced = null;
  #on = null; // {camera, microphone} while running
  #connected = false;

  constructor() {
    this.#legend.forEach((item, i) => (item.dataset.emotion = LABELS[i]));
    element("legend").append(...this.#legend);
    element("server-name").textContent = location.host;
  }

  get video() {
    return this.#stage.video;
  }

  /** Called with no arguments when the user presses Start (which is also the consent) or Stop. */
  onToggle(handler) {
    element("agree").addEventListener("click", handler);
    element("toggle").addEventListener("click", handler);
  }

  /** The user has agreed: the notice makes room for the live page and moves to its end. */
  open() {
    if (!element("live").hidden) return;
    element("live-devices").append(element("devices"));
    element("about").append(element("notice-body"));
    element("notice").remove();
    element("live").hidden = false;
    element("toggle").hidden = false;
    element("toggle").focus();
  }

  /** `on` is {camera, microphone} while running, null when stopped. */
  showRunning(on) {
    const running = on !== null;
    this.#on = on;
    const toggle = element("toggle");
    toggle.textContent = running ? "Stop" : "Start";
    toggle.className = running ? "button stop" : "button start";
    this.#showSign();
    this.#timeline.setRunning(running, performance.now());
    this.#stage.showWords(on?.camera ? null : "Camera is off");
    if (!on?.microphone) this.#stage.showLevel(0);
    if (!running) this.#clear("Stopped");
    else this.#clearWhatIsOff();
  }

  #showSign() {
    const words = this.#on && signWords(this.#on, this.#connected);
    element("sign").hidden = !words;
    element("sign").classList.toggle("idle", !this.#connected);
    ["before", "devices", "after"].forEach((part, i) => (element(`sign-${part}`).textContent = words?.[i] ?? ""));
    document.title = words ? `● ${TITLE}` : TITLE;
  }

  /** Off because the user wants it so, which is no fault: the other device is on. */
  #isOff(device) {
    return this.#on !== null && this.#on[device] === false && (this.#on.camera || this.#on.microphone);
  }

  #clearWhatIsOff() {
    for (const path of ["voice", "face"]) {
      if (this.#isOff(DEVICES[path])) this.#readings[path].clear(`${capitalise(DEVICES[path])} is off`);
    }
    for (const kind of ["audio", "frame"]) {
      if (this.#isOff(DEVICES[kind])) element(`delay-${kind}`).textContent = NOTHING;
    }
    if (this.#isOff("camera")) this.#stage.showFace(NO_FACE);
  }

  /** While the browser asks the user for permission. */
  showAsking() {
    this.showRunning({ camera: false, microphone: false });
    this.#stage.showWords("Waiting for your permission");
    this.#clear("Waiting");
  }

  /** @param {number | null} weight the fusion weight behind it, null where a model fuses */
  showResult(result, weight) {
    for (const path of PATHS) {
      const { state, label, by } = result[path];
      this.#readings[path].show(result[path], stateWords(path, state, label, weight, by));
    }
    this.#stage.showFace(result.face);
    this.#clearWhatIsOff(); // the server does not know yet, or cannot tell it from a fault
    this.#topFive.show(result.top5);
    this.#timeline.add(performance.now(), result);
    element("server-time").textContent = milliseconds(result.ms.total);
    for (const [kind, count] of Object.entries(result.dropped)) element(`dropped-${kind}`).textContent = count;
    this.#announce(leaders(result.fused.probs));
  }

  /** @param delayMs {audio, frame}: from sending to the result; null keeps the figure that stands */
  showDelay(delayMs) {
    for (const [kind, delay] of Object.entries(delayMs)) {
      if (delay !== null && !this.#isOff(DEVICES[kind])) element(`delay-${kind}`).textContent = milliseconds(delay);
    }
  }

  showLevel(rms) {
    this.#stage.showLevel(rms);
  }

  showReady({ models, knows, fallback, settings }) {
    this.#timeline.expectEvery(settings.result_interval * 1000);
    const known = labelsKnown(knows);
    for (const path of PATHS) this.#readings[path].expect(known[path]);
    this.#legend.forEach((item, i) => markUnknown(item, known.fused.includes(LABELS[i]), "fused"));
    element("models").textContent = modelWords(models);
    if (!fallback) return;
    const words = "The preferred face model could not be downloaded; the built-in one is used.";
    element("models").append(" ", Object.assign(document.createElement("span"), { textContent: words, title: fallback }));
  }

  /** @param detail of a `state` event of the stream */
  showConnection(detail) {
    const { short, problem } = connectionWords(detail);
    element("connection").textContent = short;
    this.#connected = detail.state === "open";
    this.#showSign();
    // The sentence stays while the next attempt is on its way.
    if (detail.state !== "connecting") this.showProblem("connection", problem);
    if (detail.state === "waiting") this.#clear(short);
  }

  /** Show one sentence about a subject until it is taken back with null. */
  showProblem(subject, sentence) {
    this.#problems.set(subject, sentence);
    this.#showProblems();
  }

  /** Show one sentence about something that just happened; it goes when that stops happening. */
  showMishap(subject, sentence) {
    this.#problems.happened(subject, sentence, performance.now());
    this.#showProblems();
  }

  /** This browser or this address cannot do it at all. */
  forbid(sentence) {
    element("agree").disabled = true;
    this.showProblem("page", sentence);
  }

  /** Let time pass, on the timeline and for what went wrong a while ago. */
  tick() {
    this.#timeline.draw(performance.now());
    this.#showProblems();
  }

  #showProblems() {
    this.#toast.show(this.#problems.standing(performance.now()));
  }

  #clear(words) {
    for (const reading of Object.values(this.#readings)) reading.clear(words);
    this.#announced = null;
    element("announcer").textContent = "";
    this.#stage.showFace(NO_FACE);
    this.#topFive.show([]);
    for (const id of ["delay-audio", "delay-frame", "server-time"]) element(id).textContent = NOTHING;
  }

  /** Screen readers hear a changed label, not every result. */
  #announce(leading) {
    const words = verdictWords(leading);
    if (words === this.#announced || leading.length === 0) return;
    this.#announced = words;
    element("announcer").textContent = words;
  }
}
