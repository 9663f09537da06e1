/**
 * The files that the models need, kept by the browser: fetched once, checked by their hash, used offline, forgotten
 * when the server has others. `app/device.py` writes the manifest.
 */

import { UnavailableError, reached } from "./unavailable.js";

/** In the browser's storage; the page's service worker reads it as well. */
export const KEPT = "device-files";

/** What the server has now; without a network what it had when it was last seen. */
export async function loadManifest(base) {
  const url = new URL("device/manifest.json", base);
  const kept = await caches.open(KEPT);
  let answer = null;
  try {
    answer = await fetch(url, { cache: "no-cache" });
  } catch (error) {
    answer = await kept.match(url);
    return answer ? answer.json() : reached(Promise.reject(error));
  }
  if (!answer.ok) throw new UnavailableError(`${await reason(answer)} (${url})`);
  await kept.put(url, answer.clone());
  return answer.json();
}

async function reason(answer) {
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 404) return "This server does not give its models to browsers.";
  return `This server has no models for browsers: ${said.detail ?? `status ${answer.status}`}.`;
}

/** What one build of ONNX Runtime ("gpu" or "wasm") needs of a manifest's files: [[name, file]]. */
function needed({ files }, runtime) {
  return Object.entries(files).filter(([, file]) => !file.runtime || file.runtime === runtime);
}

/** Whether all files of a manifest are here that a browser needs. */
export async function isKept(base, manifest) {
  const kept = await caches.open(KEPT);
  const folder = new URL("device/", base);
  const addresses = new Set((await kept.keys()).map(({ url }) => url));
  const isHere = ([, { url }]) => addresses.has(new URL(url, folder).href);
  return ["gpu", "wasm"].some((runtime) => needed(manifest, runtime).every(isHere));
}

/**
 * Bring every file that is not here yet, and forget those that are not in the manifest.
 *
 * @param {string} base where `device/` lies
 * @param {"gpu" | "wasm"} runtime see `runtime.js`
 * @param {(progress: {loaded: number, total: number}) => void} onProgress bytes, those that were here counted as loaded
 * @returns {Promise<{address: (name: string) => string, content: (name: string) => Promise<ArrayBuffer>}>}
 */
export async function bringFiles(base, manifest, runtime, onProgress = () => {}) {
  const { files } = manifest;
  const wanted = needed(manifest, runtime);
  const kept = await caches.open(KEPT);
  const folder = new URL("device/", base);
  const address = (name) => new URL(files[name].url, folder).href;
  const total = wanted.reduce((sum, [, file]) => sum + file.bytes, 0);
  let loaded = 0;
  const advance = (bytes) => onProgress({ loaded: (loaded += bytes), total });
  await Promise.all(
    wanted.map(async ([name, file]) => {
      if (await kept.match(address(name))) advance(file.bytes);
      else await reached(bring(kept, address(name), file, advance));
    }),
  );
  await forgetOthers(kept, new Set([new URL("manifest.json", folder).href, ...Object.keys(files).map(address)]));
  const content = async (name) => {
    const answer = await kept.match(address(name));
    return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  };
  return { address, content };
}

async function bring(kept, url, file, advance) {
  const answer = await fetch(url);
  if (!answer.ok) throw new UnavailableError(`${url} could not be fetched: status ${answer.status}`);
  const parts = [];
  for (const reader = answer.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    advance(value.byteLength);
  }
  const content = await new Blob(parts).arrayBuffer();
  if ((await digest(content)) !== file.sha256) throw new UnavailableError(`${url} is damaged`);
  const type = answer.headers.get("content-type") ?? "application/octet-stream";
  await kept.put(url, new Response(content, { headers: { "content-type": type } }));
}

async function digest(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function forgetOthers(kept, needed) {
  for (const request of await kept.keys()) if (!needed.has(request.url)) await kept.delete(request);
}
