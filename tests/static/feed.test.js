import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Feed } from "../../static/js/feed.js";

/** Devices in the test's hands. */
class Devices extends EventTarget {
  hasCamera = true;
  picture = "picture";
  kinds = [];

  async takeFrame(kind) {
    this.kinds.push(kind);
    return this.picture;
  }

  speaks(samples) {
    this.dispatchEvent(new CustomEvent("audio", { detail: { samples, level: 0 } }));
  }
}

class Stream extends EventTarget {
  isReady = true;
  bufferedAmount = 0;
  frameKind = "jpeg";
  carries = true;
  sent = [];

  sendAudio(samples) {
    return this.#send(samples);
  }

  sendFrame(frame) {
    return this.#send(frame);
  }

  says(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #send(media) {
    if (!this.carries) return null;
    this.sent.push(media);
    return this.sent.length;
  }
}

let now = 0;
let devices;
let stream;
let feed;
let told;

beforeEach(() => {
  now = 1000;
  mock.method(performance, "now", () => now);
  mock.timers.enable({ apis: ["setInterval"] });
  devices = new Devices();
  stream = new Stream();
  feed = new Feed(devices, stream);
  told = [];
  for (const type of ["unsent", "picture"]) feed.addEventListener(type, ({ detail }) => told.push([type, detail]));
  stream.says("ready", { settings: { result_interval: 0.5 } });
});

afterEach(() => {
  feed.stop();
  mock.timers.reset();
  mock.restoreAll();
});

async function pass(ms) {
  for (let passed = 0; passed < ms; passed += 50) {
    now += 50;
    mock.timers.tick(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const used = (frame) => stream.says("result", { result: { used: { audio: null, frame }, ms: { total: 10 } } });

test("a picture goes for each result, in the kind that the stream takes", async () => {
  stream.frameKind = "bitmap";
  feed.start();
  await pass(200);
  assert.deepEqual(stream.sent, ["picture"]);
  assert.deepEqual(devices.kinds, ["bitmap"]);
  used(1);
  await pass(300);
  assert.equal(stream.sent.length, 2);
  await pass(900);
  assert.equal(stream.sent.length, 2, "nobody has seen that yet");
  await pass(200);
  assert.equal(stream.sent.length, 3, "and never will");
});

test("nothing is taken from a camera for a stream that is not ready, or is behind", async () => {
  feed.start();
  stream.isReady = false;
  await pass(500);
  stream.isReady = true;
  stream.bufferedAmount = 100_000;
  await pass(5000);
  assert.deepEqual(devices.kinds, []);
  assert.deepEqual(told, []);
});

test("sound goes at once, and calls for pictures where timers sleep", async () => {
  feed.start();
  const samples = new Int16Array(4);
  now += 100;
  devices.speaks(samples);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(stream.sent, [samples, "picture"]);
});

test("sound of the first half of an interval goes together, of the second at once", () => {
  const sent = () => stream.sent.map((samples) => [...samples]);
  const speaks = (number) => {
    now += 100;
    devices.speaks(Int16Array.of(number, -number));
  };
  speaks(1);
  assert.deepEqual(sent(), [[1, -1]], "nobody has looked at any yet");
  used(null); // after 10 ms of work, so that until 240 ms from now sound is in no hurry
  speaks(2);
  speaks(3);
  assert.equal(stream.sent.length, 1);
  speaks(4);
  assert.deepEqual(sent().at(-1), [2, -2, 3, -3, 4, -4]);
  speaks(5);
  assert.deepEqual(sent().at(-1), [5, -5]);
  assert.equal(stream.sent.length, 3);
  assert.deepEqual(told, []);
});

test("sound does not wait for more than three chunks, nor over a new beginning", () => {
  stream.says("ready", { settings: { result_interval: 5 } });
  used(null);
  for (const number of [1, 2, 3]) devices.speaks(Int16Array.of(number));
  assert.deepEqual(stream.sent, []);
  devices.speaks(Int16Array.of(4));
  assert.deepEqual(stream.sent.map((samples) => [...samples]), [[1, 2, 3, 4]]);
  devices.speaks(Int16Array.of(5));
  stream.says("ready", { settings: { result_interval: 5 } });
  devices.speaks(Int16Array.of(6));
  assert.deepEqual([...stream.sent.at(-1)], [6]);
});

test("what waits when the devices are stopped is never sent, nor joined to what comes after", () => {
  stream.says("ready", { settings: { result_interval: 5 } });
  used(null);
  feed.start();
  devices.speaks(Int16Array.of(1));
  feed.stop();
  feed.start();
  devices.speaks(Int16Array.of(2));
  assert.deepEqual([...stream.sent.at(-1)], [2]);
});

test("a picture that is still being made when the devices are stopped is not sent", async () => {
  let made;
  devices.takeFrame = () => new Promise((resolve) => (made = resolve));
  feed.start();
  now += 50;
  mock.timers.tick(50);
  feed.stop();
  const bitmap = { close: mock.fn() };
  made(bitmap);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(stream.sent, []);
  assert.equal(bitmap.close.mock.callCount(), 1);
});

test("sound that a ready stream does not take is told", () => {
  stream.carries = false;
  devices.speaks(new Int16Array(4));
  assert.deepEqual(told, [["unsent", {}]]);
  stream.isReady = false;
  devices.speaks(new Int16Array(4));
  assert.equal(told.length, 1);
});

test("a camera without a new picture for three seconds is paused, until it has one or is not wanted", async () => {
  feed.start();
  devices.picture = null;
  await pass(3000);
  assert.deepEqual(told, []);
  await pass(100);
  assert.deepEqual(told, [["picture", { isPaused: true }]]);
  devices.picture = "again";
  await pass(100);
  assert.deepEqual(told.at(-1), ["picture", { isPaused: false }]);
  devices.picture = null;
  used(1);
  await pass(4000);
  assert.equal(told.at(-1)[1].isPaused, true);
  feed.stop();
  assert.equal(told.at(-1)[1].isPaused, false);
  await pass(5000);
  assert.equal(told.length, 4);
});
