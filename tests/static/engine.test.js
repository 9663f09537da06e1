import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { openEngine, warmEngine } from "../../static/js/device/engine.js";

/** The worker's end, in the test's hands. */
class FakeWorker {
  static all = [];
  asked = [];
  isTerminated = false;

  constructor() {
    FakeWorker.all.push(this);
  }

  postMessage(question) {
    this.asked.push(question);
  }

  terminate() {
    this.isTerminated = true;
  }

  answers(result) {
    this.onmessage({ data: { id: this.asked.shift().id, result } });
  }

  tells(progress) {
    this.onmessage({ data: { progress } });
  }
}

let now = 0;
let visit = 0;
let base;

beforeEach(() => {
  FakeWorker.all = [];
  globalThis.Worker = FakeWorker;
  globalThis.ImageData = class {};
  mock.method(performance, "now", () => now);
  visit += 1;
  base = `https://example.org/${visit}/`; // no spare of another test's
});

afterEach(() => mock.restoreAll());

async function opened() {
  const opening = openEngine({ base });
  FakeWorker.all.at(-1).answers({ models: { voice: "v", face: "f" } });
  return await opening;
}

test("who starts again has the same models, though one was at work at the stop", async () => {
  const engine = await opened();
  const asked = engine.hear({ samples: null, reference: null });
  engine.close();
  const again = await openEngine({ base });
  assert.equal(FakeWorker.all.length, 1);
  const [worker] = FakeWorker.all;
  worker.answers({ probs: "old" });
  assert.deepEqual(await asked, { probs: "old" }, "for who asked, whom it is of no use to any more");
  const fresh = again.see(null);
  worker.answers({ probs: "new" });
  assert.deepEqual(await fresh, { probs: "new" });
  await assert.rejects(engine.hear({}), /closed/);
});

test("a model that hangs is not handed on", async () => {
  const engine = await opened();
  engine.see(null).catch(() => {});
  engine.close();
  now += 5000;
  await opened();
  assert.equal(FakeWorker.all.length, 2);
});

test("who stops while models load that somebody else waits for does not stop that load", async () => {
  const told = [];
  const warming = warmEngine({ base, onProgress: (progress) => told.push(progress) });
  const stop = new AbortController();
  const opening = openEngine({ base, signal: stop.signal, onProgress: () => {} });
  stop.abort();
  await assert.rejects(opening, { name: "AbortError" });
  const [worker] = FakeWorker.all;
  assert.equal(worker.isTerminated, false);
  worker.tells({ loaded: 1, total: 2 });
  assert.deepEqual(told, [{ loaded: 1, total: 2 }]);
  worker.answers({ models: {} });
  await warming;
  await openEngine({ base });
  assert.equal(FakeWorker.all.length, 1);
});

test("who stops while models load that nobody else waits for stops the load", async () => {
  const stop = new AbortController();
  const opening = openEngine({ base, signal: stop.signal });
  stop.abort();
  await assert.rejects(opening, { name: "AbortError" });
  assert.ok(FakeWorker.all[0].isTerminated);
  await assert.rejects(openEngine({ base, signal: stop.signal }), { name: "AbortError" });
  assert.equal(FakeWorker.all.length, 1, "and is not begun where the stop came first");
});

test("a worker that cannot be loaded is of no use to the next", async () => {
  const opening = openEngine({ base });
  FakeWorker.all[0].onerror({ message: "no such file" });
  await assert.rejects(opening, /no such file/);
  await opened();
  assert.equal(FakeWorker.all.length, 2);
});
