import assert from "node:assert/strict";
import { test } from "node:test";

import { decodeRect, withStream } from "../../static/js/device/face-rects.js";

const bytes = (...parts) => Uint8Array.from(parts.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part)] : [part])));

test("a graph gets one stream more, at its node and outside, and keeps the rest", () => {
  const node = bytes(0x12, 1, "N", 0x22, 3, "A:a");
  const graph = bytes(0x52, 2, "in", 0x0a, node.length, ...node, 0x7a, 1, "a");
  const wider = bytes(...node, 0x22, 3, "B:b");
  assert.deepEqual(withStream(graph, "B:b", "b"), bytes(0x52, 2, "in", 0x0a, wider.length, ...wider, 0x7a, 1, "a", 0x7a, 1, "b"));
});

test("a node that grows past 127 bytes has a longer length", () => {
  const graph = withStream(bytes(0x0a, 3, 0x12, 1, "N"), `B:${"b".repeat(200)}`, "b");
  assert.deepEqual([...graph.subarray(0, 3)], [0x0a, (208 & 127) | 128, 208 >> 7]);
  assert.equal(graph.length, 3 + 208 + 3);
});

test("another kind of graph is refused", () => {
  assert.throws(() => withStream(bytes(0x08, 1), "B:b", "b"), /tasks-vision/);
});

test("a box is found from its centre; what is nil was left out", () => {
  const message = new Uint8Array(23);
  const view = new DataView(message.buffer);
  [[1, 0.5], [3, 0.25], [4, 0.125]].forEach(([field, value], i) => {
    message[i * 5] = (field << 3) | 5;
    view.setFloat32(i * 5 + 1, value, true);
  });
  message.set([0x30, 7], 15); // the rectangle's own id
  assert.deepEqual(decodeRect(message.subarray(0, 17)), { x: 0.4375, y: -0.125, width: 0.125, height: 0.25 });
});
