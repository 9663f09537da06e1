import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";

import { EmotionStream } from "../../static/js/emotion-stream.js";

/** The server's end of a socket, in the test's hands. */
class Line {
  static all = [];
  sent = [];
  bufferedAmount = 7;

  constructor(url) {
    this.url = url;
    Line.all.push(this);
  }

  send(message) {
    this.sent.push(message);
  }

  close() {
    this.isClosed = true;
  }

  says(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

const READY = { type: "ready", protocol: 1 };
const RESULT = { type: "result", used: { audio: null, frame: null } };

beforeEach(() => {
  Line.all = [];
  globalThis.WebSocket = Line;
});

function listening(options) {
  const stream = new EmotionStream(options);
  const heard = [];
  for (const type of ["state", "ready", "result", "calibration", "problem"]) {
    stream.addEventListener(type, ({ detail }) => heard.push([type, detail]));
  }
  return { stream, heard };
}

test("with an address alone it is that server's", () => {
  const { stream, heard } = listening("wss://there/ws");
  assert.deepEqual([stream.source, stream.frameKind, stream.isReady], ["server", "jpeg", false]);
  stream.open();
  assert.equal(Line.all[0].url, "wss://there/ws");
  Line.all[0].says(READY);
  Line.all[0].says(RESULT);
  Line.all[0].says({ type: "calibration", state: "none" });
  Line.all[0].says({ type: "error", code: "invalid_image" });
  assert.deepEqual(heard.map(([type]) => type), ["state", "ready", "state", "result", "calibration", "problem"]);
  assert.deepEqual(heard[3][1], { result: RESULT, delayMs: { audio: null, frame: null } });
  assert.equal(stream.sendAudio(new Int16Array(4)), 1);
  assert.equal(stream.sendFrame(new ArrayBuffer(4)), 2);
  assert.equal(stream.calibrate("start"), true);
  assert.equal(stream.bufferedAmount, 7);
  stream.close();
  assert.ok(Line.all[0].isClosed);
});

test("on this device no socket is opened, and pictures are bitmaps", async () => {
  const { stream, heard } = listening({ source: "device" });
  assert.deepEqual([stream.frameKind, stream.bufferedAmount], ["bitmap", 0]);
  stream.open();
  assert.deepEqual(heard, [["state", { state: "connecting" }]]);
  stream.close();
  assert.equal(heard.at(-1)[1].state, "closed");
  assert.deepEqual(Line.all, []);
});

test("another source closes the one that is open, whose events end, and takes over what was set", () => {
  const { stream, heard } = listening({ source: "device", url: "wss://there/ws" });
  stream.configure({ fusion_weight: 0.3 });
  stream.token = "correct horse";
  stream.open();
  stream.source = "server";
  assert.deepEqual(heard.map(([, { state }]) => state), ["connecting", "closed"]);
  assert.equal(stream.isReady, false);
  stream.open();
  Line.all[0].says({ type: "challenge", timeout: 10 });
  Line.all[0].says(READY);
  const sent = Line.all[0].sent.map((text) => JSON.parse(text));
  assert.deepEqual(sent, [
    { type: "authenticate", token: "correct horse" },
    { type: "configure", fusion_weight: 0.3 },
  ]);
  stream.source = "device";
  const count = heard.length;
  Line.all[0].says(RESULT);
  assert.equal(heard.length, count);
  assert.equal(stream.token, "correct horse");
});

test("a source that does not exist is refused", () => {
  assert.throws(() => new EmotionStream({ source: "cloud" }), TypeError);
  const { stream } = listening("wss://there/ws");
  assert.throws(() => (stream.source = "toString"), TypeError);
  assert.equal(stream.source, "server");
});

test("what cannot be meant so is refused where it is given, and changes nothing", () => {
  const { stream } = listening("wss://there/ws");
  stream.open();
  Line.all[0].says(READY);
  stream.configure({ voice_smoothing: 1, face_smoothing: null });
  for (const wish of [{ fusion_weight: 3 }, { fusion_weight: NaN }, { face_smoothing: 0 }]) {
    assert.throws(() => stream.configure(wish), RangeError);
  }
  for (const wish of [{ face_smoothing: 2.5 }, { fusion_weight: "0.5" }, { result_interval: 1 }]) {
    assert.throws(() => stream.configure(wish), TypeError);
  }
  for (const samples of [new Float32Array(4), [1, 2], null]) assert.throws(() => stream.sendAudio(samples), TypeError);
  for (const frame of [new Uint8Array(4), new Blob([]), "jpeg"]) assert.throws(() => stream.sendFrame(frame), TypeError);
  assert.equal(Line.all[0].sent.length, 1);
  stream.close();

  const device = (settings) => () => new EmotionStream({ source: "device", settings });
  assert.throws(device({ fusion_weight: 7 }), RangeError);
  assert.throws(device({ voice_window: 99 }), RangeError);
  assert.throws(device({ foo: 1 }), TypeError);
  const onDevice = device({ voice_window: 2, silence_rms: 0 })();
  assert.throws(() => onDevice.sendFrame(new ArrayBuffer(4)), TypeError);
});

test("an address is that of the stream or of its server, or is refused", () => {
  const opened = (url) => {
    const { stream } = listening({ url });
    stream.open();
    stream.close();
    return Line.all.at(-1).url;
  };
  assert.equal(opened("https://there"), "wss://there/ws");
  assert.equal(opened("http://localhost:8000/"), "ws://localhost:8000/ws");
  assert.equal(opened("wss://there/behind/ws?ticket=1"), "wss://there/behind/ws?ticket=1");
  for (const url of ["nonsense", "not a url%%", "ftp://there/ws"]) assert.throws(() => opened(url), TypeError);
});

test("the types name every member, and none that is not there", () => {
  const types = readFileSync(new URL("../../static/js/emotion-stream.d.ts", import.meta.url), "utf-8");
  const body = types.match(/class EmotionStream extends EventTarget \{([\s\S]*?)\n\}/)[1];
  const typed = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:<]/gm)].map(([, name]) => name);
  const own = new Set(typed.filter((name) => !["addEventListener", "removeEventListener"].includes(name)));
  assert.deepEqual([...own].sort(), Object.getOwnPropertyNames(EmotionStream.prototype).sort());
});
