/** The cards that show what one path (voice, face or fused) says: label, confidence, seven bars. */

import { leaders } from "./leaders.js";
import { LABELS, capitalise, confidenceWords, percent, unknownWords, verdictWords } from "./words.js";

/** One list row for each label: swatch, name, bar, percentage. */
function barRow(label) {
  const row = document.createElement("li");
  row.dataset.emotion = label;
  const [name, bar, value] = ["name", "track", "value"].map((className) => {
    const part = document.createElement("span");
    part.className = className;
    return part;
  });
  name.textContent = capitalise(label);
  bar.ariaHidden = "true";
  const fill = document.createElement("span");
  fill.className = "fill";
  bar.append(fill);
  row.append(name, bar, value);
  return { row, fill, value };
}

/** Grey an item for a label that cannot come, and say why; give it back where it can. */
export function markUnknown(item, isKnown, path) {
  item.classList.toggle("unknown", !isKnown);
  item.title = isKnown ? "" : unknownWords(path);
}

export class Reading {
  #path;
  #known = LABELS;
  #root;
  #state;
  #verdict;
  #bars;

  /** @param {"voice" | "face" | "fused"} path; fills the section with that id */
  constructor(path) {
    this.#path = path;
    this.#root = document.getElementById(path);
    const content = document.getElementById("reading-template").content.cloneNode(true);
    const heading = content.querySelector("h2");
    heading.id = `${path}-title`;
    heading.textContent = capitalise(path);
    this.#root.querySelector(".reading").append(content);
    this.#state = this.#root.querySelector(".state");
    this.#verdict = this.#root.querySelector(".verdict");
    this.#bars = new Map(LABELS.map((label) => [label, barRow(label)]));
    this.#root.querySelector(".bars").append(...[...this.#bars.values()].map(({ row }) => row));
    this.clear("");
  }

  /** @param part `voice`, `face` or `fused` of a result; `words` say its state */
  show({ state, probs }, words) {
    this.#root.dataset.state = state;
    this.#state.textContent = words;
    this.#fill(probs);
  }

  /** @param labels that this path can say; the others are greyed */
  expect(labels) {
    this.#known = labels;
    for (const [label, { row }] of this.#bars) markUnknown(row, labels.includes(label), this.#path);
  }

  clear(words) {
    this.#root.dataset.state = "off";
    this.#state.textContent = words;
    this.#fill({});
  }

  #fill(probs) {
    const leading = leaders(probs);
    const [first, second] = leading.length > 2 ? [] : leading;
    Object.assign(this.#verdict.dataset, { emotion: first ?? "", second: second ?? "" });
    this.#verdict.classList.toggle("close", leading.length > 1);
    this.#verdict.querySelector(".label").textContent = verdictWords(leading);
    this.#verdict.querySelector(".confidence").textContent = confidenceWords(leading, probs);
    for (const [name, { row, fill, value }] of this.#bars) {
      fill.style.transform = `scaleX(${probs[name] ?? 0})`;
      value.textContent = name in probs && this.#known.includes(name) ? percent(probs[name]) : "–";
      row.classList.toggle("leading", leading.includes(name));
    }
  }
}

/** The Top-5 list; its five places are always there, also where the models know fewer labels. */
export class TopFive {
  #rows;

  constructor(list) {
    this.#rows = Array.from({ length: 5 }, () => {
      const row = document.createElement("li");
      row.append(...["name", "value"].map((className) => Object.assign(document.createElement("span"), { className })));
      return row;
    });
    list.append(...this.#rows);
    this.show([]);
  }

  /** @param top5 of a result: [{label, prob}], labels with a capital already */
  show(top5) {
    this.#rows.forEach((row, i) => {
      const entry = top5[i];
      row.dataset.emotion = entry?.label.toLowerCase() ?? "";
      row.firstChild.textContent = entry?.label ?? "–";
      row.lastChild.textContent = entry ? percent(entry.prob) : "";
    });
  }
}
