/**
 * Plays tests/vectors, which `python -m scripts.vectors` wrote from the server's classes, against those of the browser:
 * the same players as in scripts/vectors/playing.py.
 *
 * Numbers agree within 1e-6: the server adds some float32 where JavaScript adds float64, which differs in the seventh
 * place. The wire's numbers have four places; a value that such a difference carried over the edge between two of them
 * would show here as 1e-4, and the case would have to be changed. None does.
 */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { neutralOffset, reference } from "../../static/js/device/calibration.js";
import { lateFusion, sayable, topK, topLabel } from "../../static/js/device/fusion.js";
import { isSilence, rms } from "../../static/js/device/gate.js";
import { RingBuffer } from "../../static/js/device/ring-buffer.js";
import { rounded } from "../../static/js/device/rounding.js";
import { Schedule } from "../../static/js/device/schedule.js";
import { NO_TRAITS, Session } from "../../static/js/device/session.js";
import { BOUNDS, DEFAULTS, RANGES } from "../../static/js/device/settings.js";
import { Smoother, sharpened } from "../../static/js/device/smoothing.js";
import { LABELS } from "../../static/js/labels.js";

const TOLERANCE = 1e-6;
const FOLDER = new URL("../vectors/", import.meta.url);

const floats = (numbers) => numbers && Float32Array.from(numbers);
const list = (array) => array && [...array];
/** Enough of a reference to tell it from another. */
const gist = (array) => array && [0, 1, 39, 40, 41, 79].map((i) => array[i]);

function makeSound({ samples, level = 0, period = 1 }) {
  return Int16Array.from({ length: samples }, (_, i) => Math.floor((level * (2 * (i % period) - period)) / period));
}

function makeStatistics({ mean, square, slope }) {
  return Float32Array.from({ length: 80 }, (_, i) => (i < 40 ? mean : square) + slope * (i % 40));
}

function viewer({ now = 0, settings = {}, voice = {}, face = {} } = {}) {
  const session = new Session({ ...DEFAULTS, ...settings }, now, { ...NO_TRAITS, ...voice }, { ...NO_TRAITS, ...face });
  const windows = [];
  const pictures = [];
  const back = (taken, steps) => taken[taken.length - 1 - steps] ?? null;
  return {
    receive_audio: ({ at, id, sound }) => session.receiveAudio(makeSound(sound), id, at),
    receive_frame: ({ at, id, frame }) => session.receiveFrame(frame, id, at),
    take_window: ({ at }) => {
      const window = session.takeWindow(at);
      if (window === null) return null;
      windows.push(window);
      const checksum = window.samples.reduce((sum, sample, i) => sum + sample * (i + 1), 0);
      return { ...window, samples: window.samples.length, checksum, reference: gist(window.reference) };
    },
    take_frame: ({ at }) => {
      const picture = session.takeFrame(at);
      if (picture !== null) pictures.push(picture);
      return picture;
    },
    heard: ({ at, probs, back: steps = 0, described = null }) => {
      const window = back(windows, steps);
      if (window === null) return;
      session.heard(window, floats(probs), at, described && makeStatistics(described));
    },
    saw: ({ at, probs = null, box = null, back: steps = 0 }) => {
      const picture = back(pictures, steps);
      if (picture !== null) session.saw(picture, { probs: floats(probs), box }, at);
    },
    configure: (wish = {}) => {
      session.configure(wish);
      return session.settings;
    },
    calibrate: ({ at, action }) => {
      session.calibrate(action, at);
      return session.calibration;
    },
    miss_results: ({ count }) => session.missResults(count),
    result: ({ at }) => session.result(at),
    calibration: () => session.calibration,
    can_calibrate: () => session.canCalibrate,
    learnt: () => {
      const { reference: known, voice: heard, face: seen } = session.learnt;
      return { reference: gist(known), voice: list(heard), face: list(seen) };
    },
  };
}

const PLAYERS = {
  constants: () => ({ labels: () => LABELS, defaults: () => DEFAULTS, bounds: () => BOUNDS, ranges: () => RANGES }),
  rounding: () => ({ rounded: ({ value, digits }) => rounded(value, digits) }),
  gate: () => ({
    rms: ({ samples }) => rms(Int16Array.from(samples)),
    is_silence: ({ samples, threshold }) => isSilence(Int16Array.from(samples), threshold),
  }),
  ring_buffer: ({ capacity }) => {
    const ring = new RingBuffer(capacity);
    return {
      write: ({ samples }) => {
        ring.write(Int16Array.from(samples));
        return [ring.total, ring.oldest];
      },
      newest: ({ count }) => list(ring.newest(count)),
      clear: () => ring.clear(),
    };
  },
  smoothing: ({ count, interval, lasting, sharpening } = {}) => {
    const smoother = new Smoother(count, interval, lasting, sharpening);
    return {
      add: ({ probs, at }) => smoother.add(floats(probs), at),
      mean: ({ now }) => list(smoother.mean(now)),
      resize: ({ count: wanted }) => {
        smoother.resize(wanted);
        return smoother.count;
      },
      clear: () => smoother.clear(),
      factors: ({ factors }) => void (smoother.factors = floats(factors)),
      sharpened: ({ mean, count: answers, sharpening: by }) => list(sharpened(floats(mean), answers, by)),
    };
  },
  fusion: () => ({
    late_fusion: ({ voice, face, weight, voice_labels, face_labels }) =>
      list(lateFusion(floats(voice), floats(face), weight, voice_labels, face_labels)),
    sayable: ({ voice, face, voice_labels, face_labels }) => sayable(voice, face, voice_labels, face_labels),
    top_label: ({ probs }) => topLabel(floats(probs)),
    top_k: ({ probs, k, labels }) => topK(floats(probs), k, labels),
  }),
  learning: () => ({
    reference: ({ windows }) => list(reference(windows.map(makeStatistics))),
    neutral_offset: ({ answers, neutral }) => list(neutralOffset(answers.map(floats), neutral)),
  }),
  ticking: ({ interval, start }) => {
    const schedule = new Schedule(interval, start);
    return { next: ({ now }) => schedule.next(now) };
  },
  session: viewer,
};

/** Fails where the two differ in anything but the last places of a number. */
function assertAgree(actual, expected, where) {
  if (typeof expected === "number") {
    assert.equal(typeof actual, "number", where);
    assert.ok(Math.abs(actual - expected) <= TOLERANCE, `${where}: ${actual}, the server says ${expected}`);
  } else if (expected === null || typeof expected !== "object") assert.equal(actual ?? null, expected, where);
  else {
    assert.deepEqual(Object.keys(actual ?? {}).sort(), Object.keys(expected).sort(), where);
    for (const key of Object.keys(expected)) assertAgree(actual[key], expected[key], `${where}.${key}`);
  }
}

const subjects = readdirSync(FOLDER).map((file) => file.replace(".json", ""));

test("every subject has vectors, and a player", () => assert.deepEqual(subjects.sort(), Object.keys(PLAYERS).sort()));

for (const subject of subjects) {
  for (const { name, setup, steps } of JSON.parse(readFileSync(new URL(`${subject}.json`, FOLDER), "utf-8"))) {
    test(`${subject}: ${name}`, () => {
      const player = PLAYERS[subject](setup);
      steps.forEach((step, i) => assertAgree(player[step.do](step.with), step.gives, `step ${i}, ${step.do}`));
    });
  }
}
