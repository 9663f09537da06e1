/**
 * Lets the page work without a network: where the models run on the device, everything it needs is on the device.
 *
 * The page's own files come from the server as long as there is one, and are kept as one set: a new set replaces the old
 * one when all of it is kept. The models' files are kept by `js/device/files.js`; here they are only handed out.
 */

const FILES = "device-files"; // as in js/device/files.js
const PAGE = "page-";
/** Kept last of a set: without it one was interrupted, by a full disk or a browser that was closed, and is not whole. */
const WHOLE = new URL("whole", self.location.href).href;

/** For hosts that cannot set headers: with them the page is isolated, and WebAssembly may have threads. */
const ISOLATION = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
};

const home = new URL("./", self.location.href);

self.addEventListener("install", (event) => event.waitUntil(renew().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== home.origin || !url.pathname.startsWith(home.pathname)) return;
  const path = url.pathname.slice(home.pathname.length);
  if (path.startsWith("device/files/")) event.respondWith(keptFile(request));
  else if (path === "" || path === "index.html" || path.startsWith("static/")) {
    event.respondWith(pageFile(request, path === "index.html" ? "" : path));
    if (request.mode === "navigate") event.waitUntil(renew().catch(() => {})); // without a network nothing is new
  }
});

async function keptFile(request) {
  const kept = await caches.open(FILES);
  return isolated((await kept.match(request.url)) ?? (await fetch(request)));
}

async function pageFile(request, path) {
  try {
    return isolated(await fetch(request));
  } catch (error) {
    const name = (await caches.keys()).find((key) => key.startsWith(PAGE));
    const kept = name && (await (await caches.open(name)).match(new URL(path, home)));
    if (!kept) throw error;
    return isolated(kept);
  }
}

function isolated(response) {
  if (!response.ok) return response;
  const headers = new Headers(response.headers);
  for (const [name, value] of Object.entries(ISOLATION)) if (!headers.has(name)) headers.set(name, value);
  return new Response(response.body, { status: response.status, headers });
}

/** Keep the page as it is on the server now; what was kept before goes when all of it is here. */
async function renew() {
  const answer = await fetch(new URL("device/manifest.json", home), { cache: "no-cache" });
  if (!answer.ok) throw new Error("this server has no models for browsers");
  const { version, page } = await answer.json();
  const name = PAGE + version;
  if (!(await isWhole(name))) await keep(name, page);
  for (const other of await caches.keys()) if (other.startsWith(PAGE) && other !== name) await caches.delete(other);
}

async function isWhole(name) {
  return (await caches.has(name)) && (await (await caches.open(name)).match(WHOLE)) !== undefined;
}

async function keep(name, page) {
  const contents = await Promise.all(
    Object.entries(page).map(async ([path, digest]) => {
      const url = new URL(path, home);
      const answer = await fetch(url, { cache: "no-cache" });
      if (!answer.ok || (await sha256(await answer.clone().arrayBuffer())) !== digest) {
        throw new Error(`${url} is of another version`); // the server is being replaced: the next visit finds all of it
      }
      return [url, answer];
    }),
  );
  const cache = await caches.open(name);
  await Promise.all(contents.map(([url, answer]) => cache.put(url, answer)));
  await cache.put(WHOLE, new Response());
}

async function sha256(content) {
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
