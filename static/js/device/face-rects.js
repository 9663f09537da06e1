/**
 * MediaPipe's web task tells a face's box in whole pixels of the frame, the Python package to the last bit. The task's
 * own graph has it unrounded, on a stream that the task does not ask for; this asks for it.
 *
 * It rests on what tasks-vision 0.10.35 does inside (package-lock.json pins it): a task hands its graph to `setGraph`,
 * and its runner takes listeners.
 */

const STREAM = "face_rects";

/**
 * Let every FaceDetector that is made from now on keep the newest boxes, for `rectsOf`.
 *
 * @param FaceDetector the class of the web task
 */
export function keepRects(FaceDetector) {
  const inherited = Object.getPrototypeOf(FaceDetector.prototype).setGraph;
  FaceDetector.prototype.setGraph = function setGraph(graph, isBinary) {
    const runner = Object.values(this).find((part) => part?.attachProtoVectorListener);
    newest.set(this, []);
    runner.attachProtoVectorListener(STREAM, (rects) => newest.set(this, rects.map(decodeRect)));
    return inherited.call(this, withStream(graph, `FACE_RECTS:${STREAM}`, STREAM), isBinary);
  };
}

const newest = new WeakMap(); // of a task: [{x, y, width, height}]

/** What a task finds in a frame: its detections, each with its `rect`, fractions of the frame. */
export function detectWithRects(task, image) {
  newest.set(task, []);
  const { detections } = task.detect(image);
  const rects = newest.get(task);
  if (rects.length !== detections.length) throw new Error("this version of tasks-vision does not tell where a face is");
  return detections.map((detection, i) => ({ ...detection, rect: rects[i] }));
}

// --- Protocol Buffers: the little of it that is needed ---

const GRAPH = { node: 1, outputStream: 15 };
const NODE = { outputStream: 4 };
const BYTES = 2; // the wire type of texts and messages

/** A CalculatorGraphConfig of one node with one stream more: `tagged` at the node, `name` at the graph. */
export function withStream(graph, tagged, name) {
  const text = (field, value) => encode(field, new TextEncoder().encode(value));
  const parts = [];
  for (const { field, whole, content } of fields(graph)) {
    parts.push(field === GRAPH.node ? encode(field, join([content, text(NODE.outputStream, tagged)])) : whole);
  }
  return join([...parts, text(GRAPH.outputStream, name)]);
}

/** A NormalizedRect: centre (1, 2), height (3), width (4), as floats; what is nil is left out. */
export function decodeRect(message) {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const numbers = [0, 0, 0, 0, 0];
  for (let at = 0; at < message.length; ) {
    const [field, wireType] = [message[at] >> 3, message[at] & 7];
    if (wireType !== 5) break; // the floats come first
    if (field < numbers.length) numbers[field] = view.getFloat32(at + 1, true);
    at += 5;
  }
  const [, x, y, height, width] = numbers;
  return { x: x - width / 2, y: y - height / 2, width, height };
}

function* fields(message) {
  for (let at = 0; at < message.length; ) {
    const start = at;
    let key, length;
    [key, at] = varint(message, at);
    if ((key & 7) !== BYTES) throw new Error("this version of tasks-vision has another kind of graph");
    [length, at] = varint(message, at);
    yield { field: key >> 3, whole: message.subarray(start, at + length), content: message.subarray(at, at + length) };
    at += length;
  }
}

function varint(message, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = message[at++];
    value |= (byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

function encode(field, content) {
  return join([encodeVarint((field << 3) | BYTES), encodeVarint(content.length), content]);
}

function encodeVarint(value) {
  const bytes = [];
  for (; value > 127; value >>= 7) bytes.push((value & 127) | 128);
  return Uint8Array.from([...bytes, value]);
}

function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
