import assert from "node:assert/strict";
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const SCRIPT = readFileSync(new URL("../../static/sw.js", import.meta.url), "utf8");
const HOME = "https://here/";
const PAGE = { "": "the page", "static/a.js": "a", "static/b.js": "b" };
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** A browser's Cache storage, which takes `room` more files before the disk is full. */
class Storage {
  sets = new Map();
  room = Infinity;

  has = async (name) => this.sets.has(name);
  keys = async () => [...this.sets.keys()];
  delete = async (name) => this.sets.delete(name);
  open = async (name) => {
    if (!this.sets.has(name)) this.sets.set(name, new Map());
    const files = this.sets.get(name);
    const match = async (url) => (files.has(String(url)) ? new Response(files.get(String(url))) : undefined);
    const put = async (url, answer) => {
      if (this.room < 1) throw new Error("QuotaExceededError");
      this.room -= 1;
      files.set(String(url), await answer.text());
    };
    return { match, put };
  };
}

/** The service worker of a server that has such a version of the page. */
function worker(caches, version) {
  const listeners = {};
  const fetch = async (url) => {
    const path = String(url).slice(HOME.length);
    if (path !== "device/manifest.json") return new Response(PAGE[path] + version);
    const page = Object.fromEntries(Object.entries(PAGE).map(([file, text]) => [file, sha256(text + version)]));
    return new Response(JSON.stringify({ version, page }));
  };
  const self = {
    location: { href: `${HOME}sw.js` },
    addEventListener: (type, listener) => (listeners[type] = listener),
    skipWaiting: async () => {},
  };
  vm.runInNewContext(SCRIPT, { self, caches, fetch, crypto: webcrypto, URL, Response, Headers, Uint8Array });
  return {
    install: async () => {
      let done;
      listeners.install({ waitUntil: (promise) => (done = promise) });
      await done;
    },
  };
}

test("a new set of the page's files replaces the old one", async () => {
  const caches = new Storage();
  await worker(caches, "1").install();
  await worker(caches, "2").install();
  assert.deepEqual(await caches.keys(), ["page-2"]);
  assert.equal(caches.sets.get("page-2").get(HOME), "the page2");
});

test("a set that was interrupted replaces nothing, and is made whole when it can be", async () => {
  const caches = new Storage();
  await worker(caches, "1").install();
  caches.room = 1;
  await assert.rejects(worker(caches, "2").install());
  await assert.rejects(worker(caches, "2").install());
  assert.equal(caches.sets.get("page-1").get(`${HOME}static/b.js`), "b1");
  caches.room = Infinity;
  await worker(caches, "2").install();
  assert.deepEqual(await caches.keys(), ["page-2"]);
  assert.equal(caches.sets.get("page-2").get(`${HOME}static/b.js`), "b2");
});
