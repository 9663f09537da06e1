/**
 * The models, off the page's own thread. Answers {id, result} or {id, error} to {id, ask, with}: "open" first, then
 * "hear" and "see", one after the other; meanwhile it tells {progress}.
 */

import { Detector } from "./detector.js";
import { keepRects } from "./face-rects.js";
import { Face } from "./face.js";
import { bringFiles, loadManifest } from "./files.js";
import { silenceNotices } from "./notices.js";
import { chooseRuntime, Runtime } from "./runtime.js";
import { reached } from "./unavailable.js";
import { Voice } from "./voice.js";

silenceNotices(); // before the web task takes hold of the console

let models = null; // {voice, face}

const QUESTIONS = {
  open,
  hear: ({ window }) => models.voice.hear(window).then(checked),
  see: ({ frame }) => models.face.see(frame).then(checked),
  classify: async ({ crop }) => ({ probs: await models.face.classify(crop) }),
};

let last = Promise.resolve(); // one at a time: a session of ONNX Runtime runs one question

addEventListener("message", ({ data: { id, ask, ...said } }) => {
  last = last.then(() => answer(id, ask, said));
});

async function answer(id, ask, said) {
  try {
    postMessage({ id, result: await QUESTIONS[ask](said) });
  } catch (error) {
    postMessage({ id, error: String(error?.message ?? error) });
  } finally {
    said.frame?.close?.();
  }
}

async function open({ base, threads, runtime: runtimeName }) {
  const [manifest, chosen] = await Promise.all([loadManifest(base), runtimeName ?? chooseRuntime()]);
  const files = await bringFiles(base, manifest, chosen, (progress) => postMessage({ progress }));
  const [runtime, detector] = await Promise.all([
    Runtime.open(files, chosen, threads),
    openDetector(files, manifest.detector),
  ]);
  const { voice, face } = manifest;
  const hearing = await runtime.open(await files.content("voice.onnx"));
  const some = { crops: new runtime.Tensor("float32", someCrop(face), [1, face.channels, face.size, face.size]) };
  const seeing = await runtime.openFastest(await files.content("face.onnx"), some, "probabilities");
  models = {
    voice: new Voice(hearing, voice.traits, runtime.Tensor),
    face: new Face(detector, seeing, face, runtime.Tensor),
  };
  return {
    voiceTraits: voice.traits,
    faceTraits: face.traits,
    models: { voice: voice.name, face: face.name },
    settings: manifest.settings,
  };
}

async function openDetector(files, { confidence, full_to_short: fullToShort }) {
  const [{ FaceDetector }, wasm] = await Promise.all([
    reached(import(files.address("vision.mjs"))),
    files.content("vision.wasm"),
  ]);
  keepRects(FaceDetector);
  const wasmBinaryPath = URL.createObjectURL(new Blob([wasm], { type: "application/wasm" }));
  const wasmLoaderPath = files.address("vision-loader.mjs");
  const { default: loader } = await reached(import(wasmLoaderPath));
  const make = async (name) => {
    const network = new Uint8Array(await files.content(name));
    globalThis.ModuleFactory = loader; // the web task takes it from there, once, and a module runs once
    return FaceDetector.createFromOptions(
      { wasmLoaderPath, wasmBinaryPath },
      { baseOptions: { modelAssetBuffer: network, delegate: "CPU" }, minDetectionConfidence: confidence[name] },
    );
  };
  return Detector.open(make, fullToShort);
}

/** Any picture will do to compare by; a plain one might hide a difference. */
function someCrop({ size, channels }) {
  const shade = (i) => Math.round(127 + 100 * Math.sin(i / 7) + 20 * Math.cos(i / 131));
  return Float32Array.from({ length: size * size * channels }, (_, i) => shade(i));
}

/** Pass an answer on, unless it is not finite: in a history it would stay for seconds, in a reference for good. */
function checked(answer) {
  for (const numbers of [answer.probs, answer.statistics]) {
    if (numbers && !numbers.every(Number.isFinite)) throw new Error("the model's answer is not a set of probabilities");
  }
  return answer;
}
