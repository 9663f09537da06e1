import assert from "node:assert/strict";
import { test } from "node:test";

import { isSame, orElse, Runtime } from "../../static/js/device/runtime.js";

/** A network that gives `answer`, after `ms` milliseconds, or fails from its run number `fails` on. */
function network(answer, { ms = 0, fails = Infinity } = {}) {
  let runs = 0;
  return {
    async run() {
      if (runs++ >= fails) throw new Error("the device is lost");
      const until = performance.now() + ms;
      while (performance.now() < until);
      return { probabilities: { data: Float32Array.from(answer) } };
    },
  };
}

const runtime = (plain, quick) =>
  new Runtime({ InferenceSession: { create: async (_, { executionProviders: [name] }) => (name === "wasm" ? plain : quick()) } }, true);

const said = async (session) => [...(await session.run({})).probabilities.data];

test("the graphics processor is used where it says the same, sooner", async () => {
  const session = await runtime(network([1, 0], { ms: 5 }), () => network([0.9995, 0])).openFastest(null, {}, "probabilities");
  assert.deepEqual(await said(session), [Math.fround(0.9995), 0]);
});

for (const [name, quick] of [
  ["it says something else", () => network([0.99, 0])],
  ["it says nothing", () => network([NaN, 0])],
  ["it is slower", () => network([1, 0], { ms: 15 })],
  ["it fails", () => network([1, 0], { fails: 2 })],
  ["it cannot be had", () => Promise.reject(new Error("no driver"))],
]) {
  test(`WebAssembly is used where ${name}`, async () => {
    const plain = network([1, 0], { ms: 5 });
    assert.equal(await runtime(plain, quick).openFastest(null, {}, "probabilities"), plain);
  });
}

test("where the graphics processor is lost, WebAssembly answers from then on", async () => {
  const session = orElse(network([0, 1], { fails: 1 }), network([1, 0]));
  assert.deepEqual([await said(session), await said(session), await said(session)], [[0, 1], [1, 0], [1, 0]]);
});

test("answers of another length are not the same", () => assert.equal(isSame([1], [1, 0]), false));
