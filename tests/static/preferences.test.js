import assert from "node:assert/strict";
import { test } from "node:test";

import { KEY, keep, recall } from "../../static/js/preferences.js";

/** A browser's storage, or the getter of one that may not be used. */
function storage(get) {
  Object.defineProperty(globalThis, "localStorage", { get, configurable: true });
}

function holding(text) {
  const kept = new Map(text === undefined ? [] : [[KEY, text]]);
  const fake = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
  storage(() => fake);
  return kept;
}

test("what is kept is recalled, one after the other", () => {
  const kept = holding();
  assert.deepEqual(recall(), {});
  keep({ fusion_weight: 0.25 });
  keep({ camera: "abc", voice_smoothing: 7 });
  keep({ microphone: "none" });
  assert.deepEqual(recall(), { fusion_weight: 0.25, voice_smoothing: 7, camera: "abc", microphone: "none" });
  assert.deepEqual([...kept.keys()], [KEY]);
});

test("null and the default device forget, and of nothing nothing is left", () => {
  const kept = holding();
  keep({ fusion_weight: 0, face_smoothing: 3, camera: "abc" });
  keep({ fusion_weight: null, camera: "" });
  assert.deepEqual(recall(), { face_smoothing: 3 });
  keep({ face_smoothing: null });
  assert.equal(kept.size, 0);
});

const HOSTILE = [
  "", "{", "null", "7", '"text"', "[]", "[1, 2]", '{"fusion_weight": "0.5"}', '{"fusion_weight": 1e999}', '{"voice_smoothing": 2.5}',
  '{"face_smoothing": [3]}', '{"camera": 5}', '{"camera": {"exact": "x"}}', `{"microphone": "${"x".repeat(10_000)}"}`,
  '{"__proto__": {"fusion_weight": "x"}}', '{"constructor": 1, "hasOwnProperty": 2}', '{"message_bytes": 9}',
];

test("what makes no sense is as if it were not there, and is gone when something is kept", () => {
  for (const text of HOSTILE) {
    const kept = holding(text);
    assert.deepEqual(recall(), {}, text);
    keep({ voice_smoothing: 4 });
    assert.equal(kept.get(KEY), '{"voice_smoothing":4}', text);
  }
});

test("one that makes no sense does not cost the others", () => {
  holding('{"fusion_weight": "x", "voice_smoothing": 9, "camera": null, "microphone": "abc"}');
  assert.deepEqual(recall(), { voice_smoothing: 9, microphone: "abc" });
});

test("a browser that forbids to store anything, or is full, has no preferences and no errors", () => {
  storage(() => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  });
  keep({ fusion_weight: 0.5 });
  assert.deepEqual(recall(), {});
  storage(() => ({
    getItem: () => null,
    setItem: () => {
      throw new DOMException("full", "QuotaExceededError");
    },
  }));
  keep({ fusion_weight: 0.5 });
  assert.deepEqual(recall(), {});
});
