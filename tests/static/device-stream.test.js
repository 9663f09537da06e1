import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { DeviceStream } from "../../static/js/device/device-stream.js";
import { NO_TRAITS } from "../../static/js/device/session.js";
import { LABELS } from "../../static/js/labels.js";

const FEAR = Float32Array.from([0.05, 0.1, 0.5, 0.05, 0.1, 0.15, 0.05]);
const HAPPY = Float32Array.from([0.02, 0.03, 0.05, 0.6, 0.2, 0.05, 0.05]);
const NEUTRAL = [0.08, 0.06, 0.07, 0.09, 0.55, 0.1, 0.05];
const BOX = [0.1, 0.2, 0.3, 0.4];

/** Models in the test's hands: each question waits until it is answered. */
class Engine {
  voiceTraits = { ...NO_TRAITS };
  faceTraits = { ...NO_TRAITS, labels: LABELS.slice(0, 6) };
  models = { voice: "ears", face: "eyes" };
  asked = { hear: [], see: [] };
  closed = false;

  hear(window) {
    return this.#ask("hear", window);
  }

  see(frame) {
    return this.#ask("see", frame);
  }

  close() {
    this.closed = true;
  }

  #ask(sense, question) {
    return new Promise((answer, fail) => this.asked[sense].push({ question, answer, fail }));
  }
}

class Picture {
  isClosed = false;

  close() {
    this.isClosed = true;
  }
}

let now = 0;
let engine;

beforeEach(() => {
  now = 50_000;
  engine = new Engine();
  mock.method(performance, "now", () => now);
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Let time pass, with what it brings. */
async function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
  await settled();
}

async function made({ openEngine = async () => engine, settings } = {}) {
  const stream = new DeviceStream({ base: "here/", settings, load: async () => ({ openEngine }) });
  const events = [];
  for (const type of ["state", "ready", "result", "calibration", "problem", "progress"]) {
    stream.addEventListener(type, ({ detail }) => events.push({ event: type, ...detail }));
  }
  stream.open();
  await settled();
  await settled(); // the modules, then the engine
  return { stream, events };
}

const named = (events, name) => events.filter(({ event }) => event === name);
const results = (events) => named(events, "result").map(({ result }) => result);
const second = () => new Int16Array(16_000).fill(3000);

test("it is ready when the models are, and describes itself as a server does", async () => {
  const { stream, events } = await made();
  assert.ok(stream.isReady);
  assert.deepEqual(named(events, "state").map(({ state }) => state), ["connecting", "open"]);
  const [ready] = named(events, "ready");
  assert.deepEqual(ready.models, { voice: "ears", face: "eyes", fusion: null });
  assert.deepEqual(ready.knows, { voice: LABELS, face: LABELS.slice(0, 6), fusion: null });
  assert.deepEqual(ready.features, { calibration: false });
  assert.deepEqual(ready.limits.fusion_weight, [0, 1]);
  assert.equal(ready.settings.result_interval, 0.5);
  assert.equal(ready.protocol, 1);
  assert.match(ready.session, /^[0-9a-f]{16}$/);
});

test("sound and a picture become a result with the delays and the times of both", async () => {
  const { stream, events } = await made();
  const [audio, frame] = [stream.sendAudio(second()), stream.sendFrame(new Picture())];
  await pass(500);
  assert.equal(engine.asked.hear[0].question.samples.length, 16_000);
  assert.equal(engine.asked.hear[0].question.reference, null);
  now += 30;
  engine.asked.hear[0].answer({ probs: FEAR, statistics: null });
  await settled();
  now += 20;
  engine.asked.see[0].answer({ probs: HAPPY, box: BOX });
  await settled();
  const [{ result, delayMs }] = named(events, "result");
  assert.deepEqual([result.voice.label, result.face.label, result.fused.state], ["fear", "happy", "ok"]);
  assert.deepEqual(result.face.box, BOX);
  assert.deepEqual(result.used, { audio, frame });
  assert.deepEqual(delayMs, { audio: 550, frame: 550 });
  assert.deepEqual(result.ms, { voice: 30, face: 50, fusion: null, total: 50 });
});

test("a late answer delays a result by half an interval at most, and is in the next one", async () => {
  const { stream, events } = await made();
  stream.sendFrame("one");
  await pass(500);
  stream.sendFrame("two");
  await pass(249);
  assert.equal(results(events).length, 0);
  await pass(1);
  assert.deepEqual(results(events).map(({ face }) => face.state), ["absent"]);
  assert.equal(results(events)[0].ms.face, null);
  await pass(250);
  assert.equal(engine.asked.see.length, 1, "a path that is busy is not asked again");
  engine.asked.see[0].answer({ probs: HAPPY, box: BOX });
  await settled();
  await pass(500);
  assert.equal(engine.asked.see[1].question, "two");
  await pass(250);
  assert.equal(results(events).at(-1).face.label, "happy");
  assert.equal(results(events).at(-1).ms.face, 500);
});

test("a model that fails costs its own path, and is asked again", async () => {
  const { stream, events } = await made();
  stream.sendFrame("one");
  await pass(500);
  engine.asked.see[0].fail(new Error("out of memory"));
  await settled();
  const [problem] = named(events, "problem");
  assert.deepEqual([problem.code, problem.message, problem.recoverable], ["inference_failed", "out of memory", true]);
  stream.sendFrame("two");
  await pass(500);
  engine.asked.see[1].answer({ probs: null, box: null });
  await settled();
  assert.equal(results(events).at(-1).face.state, "no_face");
});

test("results come in step with the clock, those that a busy page missed are counted", async () => {
  const { events } = await made();
  await pass(500);
  now += 1200; // the page was busy: the second comes at 2.2 s, the fourth in place of the third
  await pass(500);
  await pass(10);
  const seen = results(events).map(({ t, dropped }) => [t, dropped.results]);
  assert.deepEqual(seen, [[0.5, 0], [2.2, 0], [2.21, 1]]);
  await pass(290);
  assert.equal(results(events).at(-1).t, 2.5, "in step again");
});

test("where timers sleep, sound wakes the results", async () => {
  const { stream, events } = await made();
  now += 501; // and no timer fires
  stream.sendAudio(new Int16Array(1600));
  await settled();
  assert.equal(results(events).length, 1);
});

test("a picture that is never looked at is let go", async () => {
  const { stream } = await made();
  const pictures = Array.from({ length: 4 }, () => new Picture());
  pictures.slice(0, 2).forEach((picture) => stream.sendFrame(picture));
  assert.deepEqual(pictures.map(({ isClosed }) => isClosed), [true, false, false, false]);
  await pass(500);
  assert.equal(engine.asked.see[0].question, pictures[1]);
  stream.sendFrame(pictures[2]);
  assert.equal(pictures[1].isClosed, false, "what is looked at is the engine's");
  stream.close();
  assert.ok(pictures[2].isClosed);
  assert.equal(stream.sendFrame(pictures[3]), null);
  assert.ok(pictures[3].isClosed);
});

test("settings that do not go together are told, and end it", async () => {
  const { events } = await made({ settings: { stale_after: 0.5 } });
  assert.match(named(events, "problem")[0].message, /stale_after is at least twice result_interval/);
  assert.deepEqual(events.at(-1), { event: "state", state: "closed", reason: "device" });
});

test("what the viewer sets holds at once and after it was opened again", async () => {
  const { stream, events } = await made();
  stream.configure({ voice_smoothing: 3 });
  stream.close();
  stream.open();
  await settled();
  await settled();
  assert.equal(named(events, "ready").at(-1).settings.voice_smoothing, 3);
  assert.equal(named(events, "ready").at(-1).settings.fusion_weight, 0.6);
});

test("settings are the default ones, but for the engine's, but for those that were asked for", async () => {
  engine.settings = { result_interval: 0.25, voice_window: 2 };
  const { events } = await made({ settings: { voice_window: 0.5 } });
  const { settings } = named(events, "ready")[0];
  assert.deepEqual([settings.result_interval, settings.voice_window, settings.face_smoothing], [0.25, 0.5, 10]);
  await pass(250);
  assert.equal(results(events).length, 1);
});

test("a calibration is told when it is asked for and whenever it has changed", async () => {
  engine.voiceTraits.neutral = NEUTRAL;
  const { stream, events } = await made();
  const told = () => named(events, "calibration");
  assert.ok(named(events, "ready")[0].features.calibration);
  assert.equal(stream.calibrate("start"), true);
  assert.equal(told().at(-1).state, "collecting");
  await pass(500);
  assert.equal(told().length, 2, "time went by");
  stream.calibrate("skip");
  assert.equal(told().at(-1).state, "none");
  await pass(500);
  assert.equal(told().length, 3, "nothing has changed");
});

test("models that cannot be calibrated say so", async () => {
  const { stream, events } = await made();
  stream.calibrate("start");
  assert.equal(named(events, "problem")[0].code, "unsupported");
  stream.close();
  assert.equal(stream.calibrate("start"), false);
});

test("what a browser says of a network that fails is said in words", async () => {
  const load = () => Promise.reject(new TypeError("Failed to fetch dynamically imported module: http://here/engine.js"));
  const stream = new DeviceStream({ base: "here/", load });
  const told = new Promise((resolve) => stream.addEventListener("problem", ({ detail }) => resolve(detail)));
  stream.open();
  assert.equal((await told).message, "The models are not on this device yet, and the server cannot be reached.");
});

test("models that cannot be had end it, with the reason, and it can be tried again", async () => {
  let attempts = 0;
  const openEngine = async ({ base, onProgress }) => {
    assert.equal(base, "here/");
    onProgress({ loaded: 1, total: 2 });
    attempts += 1;
    if (attempts === 1) throw new Error("the models are not there");
    return engine;
  };
  const { stream, events } = await made({ openEngine });
  assert.deepEqual(named(events, "progress"), [{ event: "progress", loaded: 1, total: 2 }]);
  assert.equal(named(events, "problem")[0].message, "the models are not there");
  assert.equal(named(events, "problem")[0].recoverable, false);
  assert.deepEqual(events.at(-1), { event: "state", state: "closed", reason: "device" });
  assert.equal(stream.sendAudio(second()), null);
  stream.open();
  await settled();
  await settled();
  assert.ok(stream.isReady);
});

test("what is closed while it loads stays closed", async () => {
  let arrive;
  let aborted;
  const openEngine = ({ signal }) => {
    aborted = signal;
    return new Promise((resolve) => (arrive = resolve));
  };
  const { stream, events } = await made({ openEngine });
  stream.close();
  assert.ok(aborted.aborted);
  arrive(engine);
  await settled();
  assert.ok(engine.closed);
  assert.equal(stream.isReady, false);
  assert.equal(events.at(-1).state, "closed");
});

test("after close nothing comes any more, not even the answer that was under way", async () => {
  const { stream, events } = await made();
  stream.sendFrame("one");
  await pass(500);
  stream.close();
  engine.asked.see[0].fail(new Error("closed"));
  await settled();
  await pass(5000);
  assert.ok(engine.closed);
  assert.equal(events.at(-1).state, "closed");
  assert.deepEqual(results(events), []);
  assert.deepEqual(named(events, "problem"), []);
});
