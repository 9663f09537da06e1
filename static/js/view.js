/**
 * The page as it is seen. It takes results of the protocol and shows them; it does not know whether a
 * server or a model in the browser made them.
 */

import { Problems } from "./problems.js";
import { Reading, TopFive } from "./readings.js";
import { Stage } from "./stage.js";
import { Timeline } from "./timeline.js";
import { Toast } from "./toast.js";
import { LABELS, capitalise, connectionWords, devicesWords } from "./words.js";

const TITLE = document.title;
const PATHS = ["voice", "face", "fused"];

const element = (id) => document.getElementById(id);
const milliseconds = (value) => `${Math.round(value)}\u202fms`;

export class View {
  #stage = new Stage();
  #readings = Object.fromEntries(PATHS.map((path) => [path, new Reading(path)]));
  #topFive = new TopFive(element("top5"));
  #timeline = new Timeline(element("timeline"));
  #problems = new Problems();
  #toast = new Toast(element("problems"), (subject) => {
    this.#problems.dismiss(subject);
    this.#showProblems();
  });
  #announced = null;
  #devices = ""; // that are on, in words
  #connected = false;

  constructor() {
    const swatches = LABELS.map((label) => Object.assign(document.createElement("li"), { textContent: capitalise(label) }));
    swatches.forEach((item, i) => (item.dataset.emotion = LABELS[i]));
    element("legend").append(...swatches);
    element("server-name").textContent = isLoopback(location.hostname) ? "the server on this computer" : location.host;
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
    const toggle = element("toggle");
    toggle.textContent = running ? "Stop" : "Start";
    toggle.className = running ? "button stop" : "button start";
    const devices = running ? devicesWords(on) : "";
    this.#devices = devices;
    this.#showSign();
    document.title = devices ? `● ${TITLE}` : TITLE;
    this.#stage.showWords(on?.camera ? null : "Camera is off");
    if (!on?.microphone) this.#stage.showLevel(0);
    if (!running) this.#clear("Stopped");
  }

  /** What is on stays said for as long as it is on, whether or not anyone analyses it. */
  #showSign() {
    const sign = element("sign");
    sign.hidden = this.#devices === "";
    sign.classList.toggle("idle", !this.#connected);
    const words = this.#connected ? `Analysing ${this.#devices}` : `${capitalise(this.#devices)} on, not connected`;
    element("sign-words").textContent = words;
  }

  /** While the browser asks the user for permission. */
  showAsking() {
    this.showRunning({ camera: false, microphone: false });
    this.#stage.showWords("Waiting for your permission");
    this.#clear("Waiting");
  }

  showResult(result) {
    for (const path of PATHS) this.#readings[path].show(result[path]);
    this.#stage.showFace(result.face);
    this.#topFive.show(result.top5);
    this.#timeline.add(performance.now(), result);
    element("server-time").textContent = milliseconds(result.ms.total);
    for (const [kind, count] of Object.entries(result.dropped)) element(`dropped-${kind}`).textContent = count;
    this.#announce(result.fused.label);
  }

  /** @param delayMs {audio, frame}: from sending to the result; null keeps the figure that stands */
  showDelay(delayMs) {
    for (const [kind, delay] of Object.entries(delayMs)) {
      if (delay !== null) element(`delay-${kind}`).textContent = milliseconds(delay);
    }
  }

  showLevel(rms) {
    this.#stage.showLevel(rms);
  }

  showReady({ models, fallback, settings }) {
    this.#timeline.expectEvery(settings.result_interval * 1000);
    element("models").textContent = `Models: ${models.voice} (voice), ${models.face} (face).`;
    if (fallback) element("models").append(` ${fallback.replace(/\.?$/, ".")}`);
  }

  /** @param detail of a `state` event of the stream */
  showConnection(detail) {
    const { short, problem } = connectionWords(detail);
    element("connection").textContent = short;
    this.#connected = detail.state === "open";
    this.#showSign();
    // The sentence stays while the next attempt is on its way.
    if (detail.state !== "connecting") this.showProblem("connection", problem);
    if (detail.state === "waiting") this.#clear("Reconnecting");
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
    this.#stage.showFace({ box: null, label: null, probs: {} });
    this.#topFive.show([]);
    for (const id of ["delay-audio", "delay-frame", "server-time"]) element(id).textContent = "–";
  }

  /** Screen readers hear a changed label, not every result. */
  #announce(label) {
    if (label === this.#announced || label === null) return;
    this.#announced = label;
    element("announcer").textContent = capitalise(label);
  }
}

function isLoopback(host) {
  return host === "localhost" || host === "[::1]" || host.startsWith("127.");
}
