/** Draws the last minute: fused probabilities as lines, below them the voice's and the face's labels. */

import { History, SPAN_MS } from "./history.js";
import { LABELS, capitalise, percent } from "./words.js";

const MARGIN = { left: 48, right: 84, top: 10 };
const AXIS_HEIGHT = 18;
const STRIP_HEIGHT = 18;
const STRIP_GAP = 6;
const STRIPS = ["voice", "face"];
const DESCRIBE_EVERY_MS = 5000;

export class Timeline {
  #canvas;
  #history = new History();
  #colours = null;
  #described = -Infinity;
  #stoppedAt = null;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw(performance.now())).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.#colours = null;
      this.draw(performance.now());
    });
  }

  /** Results come every `intervalMs`; a much longer pause breaks the lines. */
  expectEvery(intervalMs) {
    this.#history.expectEvery(intervalMs);
  }

  /** Stopped, it stays as it was at that time, and says so. */
  setRunning(running, now) {
    this.#stoppedAt = running ? null : (this.#stoppedAt ?? now);
    this.#described = -Infinity;
    this.draw(now);
  }

  add(now, result) {
    this.#history.add(now, result);
    this.draw(now);
  }

  draw(time) {
    const now = this.#stoppedAt ?? time;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    if (width === 0) return;
    this.#colours ??= readColours();
    const context = this.#prepare(width, height);
    const entries = this.#history.recent(now);
    const plot = {
      left: MARGIN.left,
      right: width - MARGIN.right,
      top: MARGIN.top,
      bottom: height - AXIS_HEIGHT - STRIPS.length * (STRIP_HEIGHT + STRIP_GAP) - STRIP_GAP,
    };
    const x = (at) => plot.right - ((now - at) / SPAN_MS) * (plot.right - plot.left);
    const y = (probability) => plot.bottom - probability * (plot.bottom - plot.top);
    this.#drawGrid(context, plot, y, height);
    for (const label of linesOrder(entries)) this.#drawLine(context, entries, label, x, y);
    this.#drawEndLabels(context, entries.at(-1), now, plot, y);
    STRIPS.forEach((path, i) => {
      const top = plot.bottom + STRIP_GAP * 2 + i * (STRIP_HEIGHT + STRIP_GAP);
      this.#drawStrip(context, path, now, x, top, plot);
    });
    this.#describe(now, entries.at(-1));
  }

  #prepare(width, height) {
    const ratio = globalThis.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.#canvas.width !== w || this.#canvas.height !== h) Object.assign(this.#canvas, { width: w, height: h });
    const context = this.#canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `12px ${getComputedStyle(this.#canvas).fontFamily}`;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineCap = "round";
    return context;
  }

  #drawGrid(context, plot, y, height) {
    context.strokeStyle = this.#colours.grid;
    context.fillStyle = this.#colours.quiet;
    context.lineWidth = 1;
    context.textAlign = "right";
    for (const probability of [0, 0.5, 1]) {
      const line = Math.round(y(probability)) + 0.5;
      context.beginPath();
      context.moveTo(plot.left, line);
      context.lineTo(plot.right, line);
      context.stroke();
      context.fillText(percent(probability), plot.left - 8, line);
    }
    const axis = height - AXIS_HEIGHT / 2 + 2;
    const middle = (plot.left + plot.right) / 2;
    const [start, end] = this.#stoppedAt === null ? ["60 s ago", "now"] : ["60 s before", "stopped"];
    for (const [words, at, align] of [[start, plot.left, "left"], ["30 s", middle, "center"], [end, plot.right, "right"]]) {
      context.textAlign = align;
      context.fillText(words, at, axis);
    }
  }

  #drawLine(context, entries, label, x, y) {
    const leading = entries.at(-1)?.fused === label;
    context.strokeStyle = this.#colours[label];
    context.lineWidth = leading ? 3 : 1.5;
    context.globalAlpha = leading ? 1 : 0.75;
    context.beginPath();
    let last = -Infinity;
    for (const { at, probs } of entries) {
      if (!(label in probs)) continue;
      if (this.#history.isGap(last, at)) context.moveTo(x(at), y(probs[label]));
      context.lineTo(x(at), y(probs[label]));
      last = at;
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Name the two highest lines where they end: colour is not the only way to tell them apart. */
  #drawEndLabels(context, newest, now, plot, y) {
    if (!newest?.fused || this.#history.isGap(newest.at, now)) return;
    const highest = LABELS.toSorted((a, b) => newest.probs[b] - newest.probs[a]).slice(0, 2);
    context.textAlign = "left";
    let floor = -Infinity;
    for (const label of highest) {
      const line = Math.max(y(newest.probs[label]), floor);
      context.fillStyle = this.#colours[label];
      context.fillRect(plot.right + 8, line - 5, 4, 10);
      context.fillStyle = this.#colours.text;
      context.fillText(capitalise(label), plot.right + 18, line);
      floor = line + 16;
    }
  }

  #drawStrip(context, path, now, x, top, plot) {
    const middle = top + STRIP_HEIGHT / 2;
    context.textAlign = "right";
    context.fillStyle = this.#colours.quiet;
    context.fillText(capitalise(path), plot.left - 8, middle);
    context.fillStyle = this.#colours.empty;
    context.fillRect(plot.left, top, plot.right - plot.left, STRIP_HEIGHT);
    for (const { label, from, to } of this.#history.runs(path, now)) {
      const left = Math.max(plot.left, x(from));
      const width = x(to) - left;
      context.fillStyle = this.#colours[label];
      context.fillRect(left, top, width, STRIP_HEIGHT);
      const words = capitalise(label);
      if (context.measureText(words).width + 12 > width) continue;
      context.textAlign = "left";
      context.fillStyle = this.#colours.onColour;
      context.fillText(words, left + 6, middle + 0.5);
    }
  }

  #describe(now, newest) {
    if (now - this.#described < DESCRIBE_EVERY_MS) return;
    const mostly = this.#history.mostly(now);
    if (!mostly) return;
    this.#described = now;
    const [span, end] = this.#stoppedAt === null ? ["over the last minute", "now"] : ["over the minute before it stopped", "at the end"];
    const current = newest.fused ? `, ${end} ${newest.fused}` : "";
    const words = `Fused result ${span}: ${mostly.label} ${percent(mostly.share)} of the time${current}`;
    this.#canvas.setAttribute("aria-label", words);
  }
}

/** All labels, the leading one last so that its line lies on top. */
function linesOrder(entries) {
  const leading = entries.at(-1)?.fused;
  return leading ? [...LABELS.filter((label) => label !== leading), leading] : LABELS;
}

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const names = { grid: "--line", quiet: "--text-quiet", text: "--text", empty: "--track", onColour: "--on-emotion" };
  for (const label of LABELS) names[label] = `--${label}`;
  return Object.fromEntries(Object.entries(names).map(([name, property]) => [name, style.getPropertyValue(property)]));
}
