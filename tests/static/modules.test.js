import assert from "node:assert/strict";
import { test } from "node:test";

import { placeBox, placeLabel } from "../../static/js/geometry.js";
import { History } from "../../static/js/history.js";
import { CLOSE, FAINT, leaders } from "../../static/js/leaders.js";
import { FramePacer } from "../../static/js/pacing.js";
import { LINGER_MS, Problems } from "../../static/js/problems.js";
import { decode, encodeAudio, encodeCalibrate, encodeConfigure, encodeFrame } from "../../static/js/protocol.js";
import { retryDelay } from "../../static/js/server-stream.js";
import {
  LABELS,
  accessWords,
  calibrationWords,
  confidenceWords,
  connectionWords,
  labelsKnown,
  modelWords,
  signWords,
  startWords,
  stateWords,
  unknownWords,
  verdictWords,
} from "../../static/js/words.js";

test("sound and pictures have a kind, a little-endian id and their bytes", () => {
  const samples = Int16Array.from([1, -2, 32767]);
  assert.deepEqual([...encodeAudio(0x01020304, samples)], [1, 4, 3, 2, 1, 1, 0, 0xfe, 0xff, 0xff, 0x7f]);
  assert.deepEqual([...encodeFrame(2 ** 32 - 1, Uint8Array.from([0xff, 0xd8]).buffer)], [2, 255, 255, 255, 255, 0xff, 0xd8]);
});

test("a part of a longer buffer is sent alone", () => {
  const whole = Int16Array.from([1, 2, 3, 4]);
  assert.deepEqual([...encodeAudio(0, whole.subarray(1, 3))], [1, 0, 0, 0, 0, 2, 0, 3, 0]);
});

test("settings travel with their type", () => {
  assert.deepEqual(JSON.parse(encodeConfigure({ fusion_weight: 0.5 })), { type: "configure", fusion_weight: 0.5 });
});

test("an action of the calibration travels with its type", () => {
  assert.deepEqual(JSON.parse(encodeCalibrate("reset")), { type: "calibrate", action: "reset" });
});

test("what is not a message is null, never an exception", () => {
  for (const text of ["", "{", "null", "[]", "7", '{"type": 3}', "{}"]) assert.equal(decode(text), null);
  assert.equal(decode('{"type": "result"}').type, "result");
});

test("the pause before a retry grows to a limit and is never the same for all", () => {
  const longest = Array.from({ length: 12 }, (_, attempt) => retryDelay(attempt, () => 1));
  assert.deepEqual(longest.slice(0, 6), [500, 1000, 2000, 4000, 8000, 15_000]);
  assert.equal(Math.max(...longest), 15_000);
  assert.equal(retryDelay(3, () => 0), 2000);
});

test("a box is mirrored in a stage of the picture's own shape", () => {
  const placed = placeBox([0.125, 0.25, 0.25, 0.5], { width: 640, height: 480 }, { width: 320, height: 240 });
  assert.deepEqual(placed, { left: 200, top: 60, width: 80, height: 120 });
});

test("a box in the middle stays in the middle whatever is cut off", () => {
  for (const stage of [{ width: 300, height: 300 }, { width: 500, height: 200 }, { width: 200, height: 500 }]) {
    const { left, top, width, height } = placeBox([0.4, 0.3, 0.2, 0.4], { width: 1280, height: 720 }, stage);
    assert.ok(Math.abs(left + width / 2 - stage.width / 2) < 1e-9);
    assert.ok(Math.abs(top + height / 2 - stage.height / 2) < 1e-9);
    assert.ok(Math.abs(width / height - (0.2 * 1280) / (0.4 * 720)) < 1e-9, "its shape is kept");
  }
});

test("a label lies above its box, inside where there is no room, and never outside the stage", () => {
  const [stage, label] = [{ width: 320, height: 240 }, { width: 90, height: 24 }];
  assert.deepEqual(placeLabel({ left: 100, top: 60 }, label, stage), { left: 100, top: 30 });
  assert.deepEqual(placeLabel({ left: 100, top: 20 }, label, stage), { left: 100, top: 26 });
  assert.deepEqual(placeLabel({ left: -40, top: -50 }, label, stage), { left: 0, top: 6 });
  assert.deepEqual(placeLabel({ left: 300, top: 230 }, label, stage), { left: 230, top: 200 });
});

/** A server that takes the newest frame at each tick and answers some milliseconds later. */
function simulate(seconds, answerMs) {
  const pacer = new FramePacer(500);
  const counts = { sent: 0, dropped: 0, used: 0, oldest: 0 };
  let waiting = null;
  let answers = [];
  for (let now = 0; now < seconds * 1000; now += 10) {
    if (now % 500 === 0) {
      if (waiting) {
        counts.used += 1;
        if (counts.used > 1) counts.oldest = Math.max(counts.oldest, now - waiting.at); // the first hits no beat
        answers.push({ at: now + answerMs, id: waiting.id });
        waiting = null;
      }
    }
    answers.filter(({ at }) => at <= now).forEach(({ id }) => pacer.result(id, answerMs, now));
    answers = answers.filter(({ at }) => at > now);
    if (!pacer.due(now, 0)) continue;
    counts.sent += 1;
    counts.dropped += waiting ? 1 : 0;
    waiting = { id: counts.sent, at: now };
    pacer.sent(counts.sent, now);
  }
  return counts;
}

for (const answerMs of [10, 50, 150, 220, 400]) {
  test(`in step with a server that answers in ${answerMs} ms: a frame a result, none dropped, none old`, () => {
    const { used, dropped, oldest } = simulate(60, answerMs);
    assert.ok(used >= 118, `${used} used`);
    assert.equal(dropped, 0);
    assert.ok(oldest <= 250, `${oldest} ms old`);
  });
}

test("a server that is far too slow gets fewer frames, not a queue", () => {
  const { sent } = simulate(60, 3000);
  assert.ok(sent <= 61, `${sent} sent`);
});

test("no frame is due while the socket is behind, and a lost one stops nothing", () => {
  const pacer = new FramePacer(500);
  assert.equal(pacer.due(0, 100_000), false);
  assert.equal(pacer.due(0, 0), true);
  pacer.sent(1, 0);
  pacer.result(null, 10, 400);
  assert.equal(pacer.due(999, 0), false);
  assert.equal(pacer.due(1000, 0), true);
});

test("the history holds a minute and knows what was seen most", () => {
  const history = new History();
  const result = (label) => ({ voice: { label: null }, face: { label }, fused: { label, probs: {} } });
  assert.equal(history.mostly(0), null);
  for (let second = 0; second < 90; second += 1) history.add(second * 1000, result(second < 60 ? "sad" : "happy"));
  history.add(90_000, result(null));
  const recent = history.recent(90_000);
  assert.equal(recent[0].at, 30_000);
  assert.deepEqual(history.mostly(100_000), { label: "happy", share: 30 / 50 });
});

test("a face's run holds together at the server's own pace, and breaks where results are missing", () => {
  const history = new History();
  const said = { voice: { label: null }, face: { label: "sad" }, fused: { label: "sad", probs: {} } };
  history.expectEvery(3000);
  for (const at of [0, 3000, 6000, 30_000]) history.add(at, said);
  assert.equal(history.isGap(0, 3000), false);
  assert.deepEqual(history.runs("voice", 31_000), []);
  assert.deepEqual(history.runs("face", 31_000), [
    { label: "sad", from: 0, to: 13_500 },
    { label: "sad", from: 30_000, to: 31_000 },
  ]);
  history.expectEvery(500);
  assert.equal(history.isGap(0, 3000), true);
  assert.equal(history.runs("face", 31_000).length, 4);
});

test("what happens again and again is one problem, until it has not for a while", () => {
  const problems = new Problems();
  for (const now of [0, 1000, 2000]) problems.happened("server", "no JPEG", now);
  assert.deepEqual([...problems.standing(2000 + LINGER_MS - 1)], [["server", "no JPEG"]]);
  assert.equal(problems.standing(2000 + LINGER_MS).size, 0);
});

test("a state stands until it is taken back, and keeps its place when its words change", () => {
  const problems = new Problems();
  problems.set("camera", "lost");
  problems.set("connection", "in 4 s");
  problems.set("camera", "muted");
  assert.deepEqual([...problems.standing(1e9)], [["camera", "muted"], ["connection", "in 4 s"]]);
  problems.set("camera", null);
  assert.deepEqual([...problems.standing(1e9).keys()], ["connection"]);
});

test("a dismissed problem stays away until it says something else or comes anew", () => {
  const problems = new Problems();
  const shown = (now) => [...problems.standing(now).values()];
  problems.happened("server", "no JPEG", 0);
  problems.dismiss("server");
  problems.happened("server", "no JPEG", 4000);
  assert.deepEqual(shown(4000), []);
  problems.happened("server", "too large", 4500);
  assert.deepEqual(shown(4500), ["too large"]);
  problems.dismiss("server");
  assert.deepEqual(shown(4500 + LINGER_MS), []);
  problems.happened("server", "too large", 20_000);
  assert.deepEqual(shown(20_000), ["too large"]);
});

test("every state has words, and one that is not known yet is shown as it is", () => {
  const states = { voice: ["ok", "silence", "warming", "absent"], face: ["ok", "no_face", "stale", "absent"], fused: ["ok", "voice_only", "face_only", "none"] };
  const said = Object.entries(states).flatMap(([path, names]) => names.map((name) => stateWords(path, name, null)));
  assert.equal(new Set(said).size, said.length);
  assert.equal(stateWords("face", "too_dark", null), "Too dark");
  assert.notEqual(stateWords("voice", "silence", "happy"), stateWords("voice", "silence", null));
});

test("at either end of the weight one path alone is behind the fused result", () => {
  assert.equal(stateWords("fused", "ok", "sad", 1), "Voice only, by weight");
  assert.equal(stateWords("fused", "ok", "sad", 0), "Face only, by weight");
  assert.equal(stateWords("fused", "ok", "sad", 0.63), "Voice and face");
  assert.equal(stateWords("fused", "face_only", "sad", 1), "Face only");
});

const probabilities = (some) => ({ ...Object.fromEntries(LABELS.map((label) => [label, 0])), ...some });

test("in front are the most probable label and those that are hardly less probable", () => {
  assert.deepEqual(leaders(probabilities({ sad: 0.9, fear: 0.1 })), ["sad"]);
  assert.deepEqual(leaders(probabilities({ surprise: 0.4, happy: 0.4 - CLOSE + 1e-6, sad: 0.2 })), ["happy", "surprise"]);
  assert.deepEqual(leaders(probabilities({ surprise: 0.4, happy: 0.4 - CLOSE - 1e-6, sad: 0.25 })), ["surprise"]);
  assert.deepEqual(leaders(Object.fromEntries(LABELS.map((label) => [label, 1 / 7]))), LABELS);
  assert.deepEqual(leaders({}), []);
});

test("of labels that are all hardly more probable than by chance none stands out", () => {
  const hiss = { angry: 0.1, disgust: FAINT - 1e-6, fear: 0.2, happy: 0.1, neutral: 0.1, sad: 0.1, surprise: 0 };
  assert.deepEqual(leaders(hiss), LABELS.slice(0, -1));
  assert.equal(verdictWords(leaders(hiss)), "None stands out");
  assert.deepEqual(leaders({ ...hiss, disgust: FAINT }), ["disgust"]);
});

test("which of two is ahead by a hair changes no word", () => {
  const one = probabilities({ happy: 0.41, surprise: 0.4 });
  const other = probabilities({ happy: 0.4, surprise: 0.41 });
  assert.equal(verdictWords(leaders(one)), "Happy or surprise");
  assert.equal(verdictWords(leaders(other)), "Happy or surprise");
  assert.equal(confidenceWords(leaders(one), one), confidenceWords(leaders(other), other));
});

test("one label in front has its probability, several are close, and of more than two none stands out", () => {
  const [sure, unsure] = [probabilities({ sad: 0.9 }), probabilities({ sad: 0.3, fear: 0.3, angry: 0.3 })];
  assert.deepEqual([verdictWords(["sad"]), confidenceWords(["sad"], sure)], ["Sad", "90\u202f%"]);
  assert.deepEqual([verdictWords(leaders(unsure)), confidenceWords(leaders(unsure), unsure)], ["None stands out", "close"]);
  assert.deepEqual([verdictWords([]), confidenceWords([], {})], ["\u2013", ""]);
});

test("losing the connection is said in words that stay the same at every attempt", () => {
  const words = [4200, 9000].map((retryInMs) => connectionWords({ state: "waiting", retryInMs, reason: "lost" }).problem);
  assert.match(words[0], /lost.*Reconnecting/);
  assert.equal(words[0], words[1]);
  assert.match(connectionWords({ state: "waiting", retryInMs: 100, reason: "full" }).problem, /full.*Stop turns/);
  assert.equal(connectionWords({ state: "open" }).problem, null);
});

test("a lost connection is dismissed once, whatever the number of attempts, until it is lost anew", () => {
  const problems = new Problems();
  const tell = (detail) => problems.set("connection", connectionWords(detail).problem);
  const shown = () => [...problems.standing(0).values()].join();
  tell({ state: "waiting", retryInMs: 500, reason: "lost" });
  assert.match(shown(), /lost/);
  problems.dismiss("connection");
  tell({ state: "waiting", retryInMs: 4200, reason: "lost" });
  assert.equal(shown(), "");
  tell({ state: "waiting", retryInMs: 4200, reason: "full" });
  assert.match(shown(), /full.*Stop/);
  tell({ state: "open" });
  tell({ state: "waiting", retryInMs: 500, reason: "lost" });
  assert.match(shown(), /lost/);
});

test("the sign says what is on, and speaks of analysing only while connected", () => {
  const both = { camera: true, microphone: true };
  assert.equal(signWords(both, true).join(""), "Analysing camera and microphone");
  assert.equal(signWords(both, false).join(""), "Camera and microphone on, not connected");
  assert.equal(signWords({ camera: false, microphone: true }, false).join(""), "Microphone on, not connected");
  assert.equal(signWords({ camera: false, microphone: false }, true), null);
});

/** What the card says; unless told otherwise, of models that can both be calibrated. */
const calibrated = (state, known = {}) => calibrationWords({ state, voice: false, face: false, heard: 0, seen: 0, ...known });

test("a calibration says what is in force, for which paths, and what was missing", () => {
  assert.equal(calibrated("none"), "Not calibrated");
  assert.equal(calibrated("done", { voice: true, face: true, heard: 1, seen: 1 }), "In force for your voice and your face");
  assert.equal(calibrated("done", { voice: true, heard: 1 }), "In force for your voice; no face was seen");
  assert.equal(calibrated("done", { face: true, heard: 0.1, seen: 1 }), "In force for your face; the voice was heard too briefly");
  assert.equal(calibrated("done", { voice: true, heard: 1, seen: null }), "In force for your voice");
});

test("a calibration that failed says why, and what goes on", () => {
  assert.equal(calibrated("failed"), "Failed: no voice was heard, and no face was seen");
  assert.equal(calibrated("failed", { heard: null, seen: 0.1 }), "Failed: the face was seen too briefly");
  assert.equal(calibrated("failed", { voice: true, seen: null }), "Failed: no voice was heard. Still in force for your voice");
});

test("while a calibration collects, its words stand still and name what it goes by", () => {
  const words = [0, 0.5, 1].map((share) => calibrated("collecting", { heard: share, seen: share }));
  assert.equal(new Set(words).size, 1);
  assert.match(words[0], /^Listening and looking: read on/);
  assert.match(calibrated("collecting", { seen: null }), /^Listening: read on/);
  assert.match(calibrated("collecting", { heard: null }), /^Looking: read on/);
});

test("who refuses both devices is told once", () => {
  const refused = ["camera", "microphone"].map((device) => ({ device, reason: "refused" }));
  assert.equal(startWords(refused).length, 1);
  assert.deepEqual(startWords(refused.slice(0, 1)).map(([subject]) => subject), ["camera"]);
  assert.equal(startWords([refused[0], { device: "microphone", reason: "busy" }]).length, 2);
});

test("the models are named, that of the fusion where there is one", () => {
  const models = { voice: "audio_bilstm", face: "fer_resnet" };
  assert.equal(modelWords(models), "Models: audio_bilstm (voice), fer_resnet (face).");
  assert.equal(modelWords({ ...models, fusion: null }), modelWords(models));
  assert.equal(modelWords({ ...models, fusion: "concat" }), "Models: audio_bilstm (voice), fer_resnet (face), concat (fusion).");
});

test("a card knows the labels of its model, both together those of any", () => {
  const [voice, face] = [["angry", "sad"], ["happy", "sad"]];
  assert.deepEqual(labelsKnown({ voice, face, fusion: null }), { voice, face, fused: ["angry", "happy", "sad"] });
  // Late fusion fills in for a fusion model: what the paths know can still come.
  assert.deepEqual(labelsKnown({ voice, face, fusion: ["fear"] }).fused, ["angry", "fear", "happy", "sad"]);
  assert.deepEqual(labelsKnown(undefined), { voice: LABELS, face: LABELS, fused: LABELS }); // an older server
  assert.equal(new Set(["voice", "face", "fused"].map(unknownWords)).size, 3);
});

test("with a fusion model no weight makes one path count alone", () => {
  assert.equal(stateWords("fused", "ok", "happy", 1), "Voice only, by weight");
  assert.equal(stateWords("fused", "ok", "happy", null), "Voice and face");
  assert.equal(stateWords("fused", "ok", "happy", null, "model"), "Voice and face");
});

test("where late fusion stands in for a fusion model, the card says so", () => {
  assert.equal(stateWords("fused", "ok", "happy", null, "late"), "Voice and face, late fusion");
  assert.equal(stateWords("fused", "ok", "happy", 0.6, "late"), "Voice and face"); // there is no model
  assert.equal(stateWords("fused", "voice_only", "happy", null, null), "Voice only");
});

test("the labels are those of the wire, in its order", () => {
  assert.deepEqual(LABELS, ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]);
});

test("every way to be refused has words, and one that is new has some too", () => {
  const problem = (reason) => connectionWords({ state: "closed", reason }).problem;
  for (const reason of ["refused", "origin_refused", "abuse", "too_big", "idle", "session_over", "not known yet"]) {
    assert.ok(problem(reason).endsWith("."), reason);
  }
  for (const reason of [undefined, "token", "unauthorized"]) assert.equal(problem(reason), null);
  assert.notEqual(accessWords(true), accessWords(false));
  const { short, problem: sentence } = connectionWords({ state: "waiting", reason: "address_full" });
  assert.equal(short, "Server is full");
  assert.match(sentence, /your network/);
});
