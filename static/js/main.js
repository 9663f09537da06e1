/** Wires the parts: devices -> stream -> view. */

import { Access } from "./access.js";
import { CalibrationPanel } from "./calibration.js";
import { Capture, listDevices, obstacle } from "./capture.js";
import { DevicePickers, SettingSliders, letSettingsFold } from "./controls.js";
import { EmotionStream } from "./emotion-stream.js";
import { Feed } from "./feed.js";
import { PlaceSwitch, SITE } from "./place.js";
import { View } from "./view.js";
import { NO_ACCESS_CODE, deviceWords, obstacleWords, startWords } from "./words.js";

const view = new View();
const capture = new Capture(view.video);
const place = new PlaceSwitch(move);
const stream = new EmotionStream({ source: place.choice, base: SITE });
const feed = new Feed(capture, stream);
const access = new Access(
  (token) => {
    stream.token = token;
    start();
  },
  () => view.showProblem("connection", NO_ACCESS_CODE),
);
const sliders = new SettingSliders((settings) => stream.configure(settings));
const calibration = new CalibrationPanel((action) => stream.calibrate(action));
const pickers = new DevicePickers(() => (running ? restart() : view.showProblem("choice", null)));

stream.token = access.token;

let running = false;
let soundUnloaded = false;

async function start() {
  if (!isSomethingChosen()) return;
  running = true;
  view.open();
  stream.open();
  await restart();
}

/** Take the results from the other place; what is on stays on. */
function move(source) {
  stream.source = source;
  for (const subject of ["server", "network", "failure"]) view.showProblem(subject, null);
  if (running) stream.open();
}

function isSomethingChosen() {
  const some = Object.values(pickers.choice).some((device) => device !== null);
  view.showProblem("choice", some ? null : "Choose a camera or a microphone, then press Start.");
  return some;
}

/** Open the chosen devices, in place of those that are open. */
async function restart() {
  capture.stop();
  feed.stop();
  soundUnloaded = false;
  for (const subject of ["camera", "microphone", "devices", "picture", "page", "failure"]) view.showProblem(subject, null);
  if (!isSomethingChosen()) {
    stop();
    return;
  }
  view.showAsking();
  const problems = await startCapture(pickers.choice);
  if (problems === null) return;
  for (const [subject, sentence] of startWords(problems)) view.showProblem(subject, sentence);
  soundUnloaded = problems.some(({ reason }) => reason === "unloaded");
  showDevices();
  if (running) feed.start();
  pickers.show(await listDevices()); // permission has shown the names
}

async function startCapture(choice) {
  try {
    return await capture.start(choice);
  } catch {
    stop(); // whatever it was: no device stays on unseen
    view.showProblem("page", "The camera and the microphone could not be started. Please reload the page.");
    return null;
  }
}

function stop() {
  running = false;
  soundUnloaded = false;
  feed.stop();
  capture.stop();
  stream.close();
  for (const subject of ["picture", "server", "network"]) view.showProblem(subject, null);
  view.showRunning(null);
}

/** Say what is on; with nothing left to analyse, stop. */
function showDevices() {
  const on = { camera: capture.hasCamera, microphone: capture.hasMicrophone };
  if (on.camera || on.microphone) view.showRunning(on);
  else stop();
}

capture.addEventListener("audio", ({ detail }) => view.showLevel(detail.level));

feed.addEventListener("unsent", () => {
  view.showMishap("network", "The network is slow: some of the sound is left out.");
});

feed.addEventListener("picture", ({ detail: { isPaused } }) => {
  view.showProblem("picture", isPaused ? "The camera picture is paused." : null);
});

capture.addEventListener("device", ({ detail: { device, state } }) => {
  view.showProblem(device, state === "live" ? null : deviceWords(device, state));
  if (state === "lost") showDevices();
});

stream.addEventListener("ready", ({ detail }) => {
  sliders.show(detail);
  view.showReady(detail);
  place.showReady();
  calibration.connect(detail.features?.calibration === true);
  if (soundUnloaded) restart(); // what was missing can be loaded now
});

stream.addEventListener("result", ({ detail: { result, delayMs } }) => {
  if (!running) return;
  view.showResult(result, sliders.fusionWeight);
  view.showDelay(delayMs);
});

stream.addEventListener("calibration", ({ detail }) => calibration.show(detail));

stream.addEventListener("progress", ({ detail }) => place.showProgress(detail));

stream.addEventListener("problem", ({ detail: { message, recoverable } }) => {
  if (stream.source === "server") view.showMishap("server", `The server says: ${message}`);
  else if (recoverable) view.showMishap("server", `On this device: ${message}`);
  else {
    view.showProblem("failure", message); // it has stopped, and nothing else says why
    place.showFailure(message);
  }
});

stream.addEventListener("state", ({ detail }) => {
  view.showConnection({ ...detail, source: stream.source });
  if (detail.state === "closed" && detail.reason !== "device") place.showReady();
  if (detail.state !== "open") calibration.disconnect();
  if (detail.state === "waiting") view.showProblem("server", null); // the connection's own words say more
  if (detail.state === "closed" && detail.reason) stop();
  if (["token", "unauthorized"].includes(detail.reason)) {
    stream.token = null;
    access.ask(detail.reason === "unauthorized");
  }
});

letSettingsFold();
view.onToggle(() => (running ? stop() : start()));
setInterval(() => running && view.tick(), 1000);
addEventListener("pagehide", () => running && stop());

const hindrance = obstacle();
if (hindrance) {
  view.forbid(obstacleWords(hindrance));
} else {
  navigator.mediaDevices.addEventListener("devicechange", async () => pickers.show(await listDevices()));
  pickers.show(await listDevices());
}
