import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { ServerStream } from "../../static/js/server-stream.js";

/** The network's end of a socket, in the test's hands. */
class Line {
  static all = [];
  sent = [];
  bufferedAmount = 0;
  closed = false;

  constructor(url) {
    this.url = url;
    Line.all.push(this);
  }

  send(message) {
    this.sent.push(message);
  }

  close() {
    this.closed = true;
  }

  says(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  breaks(code = 1006) {
    this.onclose?.({ code });
  }
}

const READY = { type: "ready", protocol: 1 };
let now = 0;

beforeEach(() => {
  Line.all = [];
  now = 1000;
  globalThis.WebSocket = Line;
  mock.method(performance, "now", () => now);
  mock.method(Math, "random", () => 1);
  mock.timers.enable({ apis: ["setTimeout"] });
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
});

function opened() {
  const stream = new ServerStream("ws://here/ws");
  const events = [];
  for (const type of ["state", "ready", "result", "calibration", "problem"]) {
    stream.addEventListener(type, ({ detail }) => events.push({ type, ...detail }));
  }
  stream.open();
  return { stream, events };
}

const states = (events) => events.filter(({ type }) => type === "state").map(({ state }) => state);

test("nothing is sent before the server is ready", () => {
  const { stream } = opened();
  assert.equal(stream.sendAudio(new Int16Array(4)), null);
  assert.equal(stream.sendFrame(new ArrayBuffer(4)), null);
  Line.all[0].says(READY);
  assert.equal(stream.sendAudio(new Int16Array(4)), 1);
  assert.equal(stream.sendFrame(new ArrayBuffer(4)), 2);
  assert.equal(Line.all[0].sent.length, 2);
});

test("the delay runs from the sending of what a result has used, and is told once", () => {
  const { stream, events } = opened();
  Line.all[0].says(READY);
  const audio = stream.sendAudio(new Int16Array(4));
  now += 30;
  const frame = stream.sendFrame(new ArrayBuffer(4));
  now += 50;
  const result = { type: "result", used: { audio, frame } };
  Line.all[0].says(result);
  now += 500;
  Line.all[0].says(result);
  const delays = events.filter(({ type }) => type === "result").map(({ delayMs }) => delayMs);
  assert.deepEqual(delays, [{ audio: 80, frame: 50 }, { audio: null, frame: null }]);
});

test("a lost line is tried again, later each time, until a stream has lasted", () => {
  const { events } = opened();
  Line.all[0].says(READY);
  for (const pause of [500, 1000, 2000]) {
    Line.all.at(-1).breaks();
    const lines = Line.all.length;
    mock.timers.tick(pause - 1);
    assert.equal(Line.all.length, lines);
    mock.timers.tick(1);
    assert.equal(Line.all.length, lines + 1);
  }
  Line.all.at(-1).says(READY);
  now += 9_999;
  Line.all.at(-1).breaks();
  assert.equal(events.at(-1).retryInMs, 4000, "a server that fails each time is not asked twice a second for ever");
  mock.timers.tick(4000);
  Line.all.at(-1).says(READY);
  now += 10_000;
  Line.all.at(-1).breaks();
  assert.equal(events.at(-1).retryInMs, 500);
});

test("what the user has set is set again on the new line", () => {
  const { stream } = opened();
  stream.configure({ fusion_weight: 0.3 }); // before there is a line
  Line.all[0].says(READY);
  stream.configure({ face_smoothing: 4 });
  Line.all[0].breaks();
  mock.timers.tick(500);
  Line.all[1].says(READY);
  assert.deepEqual(JSON.parse(Line.all[1].sent[0]), { type: "configure", fusion_weight: 0.3, face_smoothing: 4 });
});

test("a calibration is asked for and told of, and not asked for again on a new line", () => {
  const { stream, events } = opened();
  assert.equal(stream.calibrate("start"), false, "there is nobody to calibrate yet");
  Line.all[0].says(READY);
  assert.equal(stream.calibrate("start"), true);
  assert.deepEqual(Line.all[0].sent.map((text) => JSON.parse(text)), [{ type: "calibrate", action: "start" }]);
  const said = { type: "calibration", state: "collecting", progress: 0.5, voice: false, face: false, heard: 0.5, seen: null };
  Line.all[0].says(said);
  assert.deepEqual(events.at(-1), said);
  Line.all[0].breaks();
  mock.timers.tick(500);
  Line.all[1].says(READY);
  assert.deepEqual(Line.all[1].sent, []);
});

test("a line on which nothing is heard for ten seconds is dead", () => {
  const { stream, events } = opened();
  Line.all[0].says(READY);
  mock.timers.tick(9_999);
  Line.all[0].says({ type: "result", used: {} });
  mock.timers.tick(9_999);
  assert.equal(events.at(-1).type, "result");
  Line.all[0].bufferedAmount = 70_000; // nothing can be sent any more
  assert.equal(stream.sendAudio(new Int16Array(4)), null);
  mock.timers.tick(1);
  assert.equal(events.at(-1).state, "waiting");
  assert.ok(Line.all[0].closed);
});

test("a server that does not answer at all is given up after ten seconds and tried again", () => {
  const { events } = opened();
  mock.timers.tick(10_000);
  assert.equal(events.at(-1).state, "waiting");
  mock.timers.tick(500);
  assert.equal(Line.all.length, 2);
});

test("a full server is tried again, one that refuses is not", () => {
  const full = opened();
  Line.all[0].breaks(1013);
  assert.deepEqual(full.events.at(-1), { type: "state", state: "waiting", retryInMs: 2000, reason: "full" });
  full.stream.close();

  const refused = opened();
  Line.all.at(-1).breaks(1008);
  assert.deepEqual(refused.events.at(-1), { type: "state", state: "closed", reason: "refused" });
  refused.stream.close();
  assert.equal(refused.events.at(-1).reason, "refused", "closing what is closed does not hide why");
});

test("who asks who we are is told, or the user is asked", () => {
  const stranger = opened();
  Line.all[0].says({ type: "challenge", timeout: 10 });
  assert.deepEqual(stranger.events.at(-1), { type: "state", state: "closed", reason: "token" });
  assert.ok(Line.all[0].closed);
  assert.deepEqual(Line.all[0].sent, []);

  stranger.stream.token = "correct horse";
  stranger.stream.open();
  Line.all[1].says({ type: "challenge", timeout: 10 });
  assert.deepEqual(Line.all[1].sent.map((text) => JSON.parse(text)), [{ type: "authenticate", token: "correct horse" }]);
  Line.all[1].says(READY);
  assert.ok(stranger.stream.isReady);
});

test("why a server refuses is told by its last words", () => {
  for (const code of ["unauthorized", "origin_refused", "abuse", "idle", "session_over"]) {
    const { events } = opened();
    Line.all.at(-1).says({ type: "error", code, message: "", recoverable: false });
    Line.all.at(-1).breaks(1008);
    assert.deepEqual(events.at(-1), { type: "state", state: "closed", reason: code });
  }
  const { events } = opened();
  Line.all.at(-1).says({ type: "error", code: "address_full", message: "", recoverable: false });
  Line.all.at(-1).breaks(1013);
  assert.deepEqual(events.at(-1), { type: "state", state: "waiting", retryInMs: 2000, reason: "address_full" });
  mock.timers.tick(2000);
  Line.all.at(-1).breaks(1013);
  assert.equal(events.at(-1).reason, "full", "the last words of another connection do not count");
});

test("a server for which the pictures are too large is left", () => {
  const { events } = opened();
  Line.all[0].says(READY);
  Line.all[0].says({ type: "error", code: "too_big", message: "a message may have 16384 bytes", recoverable: false });
  Line.all[0].breaks(1009);
  assert.deepEqual(events.at(-1), { type: "state", state: "closed", reason: "too_big" });
  mock.timers.tick(60_000);
  assert.equal(Line.all.length, 1);
});

/** The server is full: it says so, and closes. */
function refuse(line) {
  line.says({ type: "error", code: "full", message: "the server is full, try again later", recoverable: false });
  line.breaks(1013);
}

test("a full server is asked again by itself, later each time, until there is a place", () => {
  const { events } = opened();
  const pauses = [];
  for (let attempt = 0; attempt < 6; attempt += 1) {
    refuse(Line.all.at(-1));
    const { state, reason, retryInMs } = events.at(-1);
    assert.deepEqual({ state, reason }, { state: "waiting", reason: "full" });
    pauses.push(retryInMs);
    const lines = Line.all.length;
    mock.timers.tick(retryInMs - 1);
    assert.equal(Line.all.length, lines);
    mock.timers.tick(1);
    assert.equal(Line.all.length, lines + 1);
  }
  assert.deepEqual(pauses, [2000, 4000, 8000, 15_000, 15_000, 15_000]);
  Line.all.at(-1).says(READY);
  assert.equal(states(events).at(-1), "open");
});

test("pages that a full server has refused at once do not come back at once", () => {
  const pauses = [0, 0.5, 1].map((chance) => {
    Math.random.mock.mockImplementation(() => chance);
    const { stream, events } = opened();
    refuse(Line.all.at(-1));
    stream.close();
    return events.findLast(({ retryInMs }) => retryInMs).retryInMs;
  });
  assert.deepEqual(pauses, [1000, 1500, 2000]);
});

test("who presses Stop while the server is full is asked for no more", () => {
  const { stream, events } = opened();
  refuse(Line.all[0]);
  stream.close();
  mock.timers.tick(60_000);
  assert.equal(Line.all.length, 1);
  assert.deepEqual(states(events), ["connecting", "waiting", "closed"]);
});

test("a server of another version is left", () => {
  const { events } = opened();
  Line.all[0].says({ ...READY, protocol: 2 });
  assert.deepEqual(events.at(-1), { type: "state", state: "closed", reason: "version" });
  assert.ok(Line.all[0].closed);
});

test("sound that the network cannot carry is left out, never queued", () => {
  const { stream } = opened();
  Line.all[0].says(READY);
  Line.all[0].bufferedAmount = 70_000;
  assert.equal(stream.sendAudio(new Int16Array(4)), null);
  assert.equal(Line.all[0].sent.length, 0);
});

test("after close nothing comes back", () => {
  const { stream, events } = opened();
  Line.all[0].says(READY);
  stream.close();
  Line.all[0].breaks();
  mock.timers.tick(60_000);
  assert.equal(Line.all.length, 1);
  assert.deepEqual(states(events), ["connecting", "open", "closed"]);
});

test("it can be opened again", () => {
  const { stream } = opened();
  stream.close();
  stream.open();
  Line.all[1].says(READY);
  assert.ok(stream.isReady);
});
