/** The sentences about problems at the foot of the window, each with a button to put it away. */

export class Toast {
  #root;
  #onDismiss;
  #notes = new Map(); // subject -> {note, words}

  /** @param onDismiss called with the subject that the user has put away */
  constructor(root, onDismiss) {
    this.#root = root;
    this.#onDismiss = onDismiss;
  }

  /**
   * Only what changed is touched: screen readers speak every change of an alert.
   *
   * @param {Map<string, string>} sentences subject -> sentence
   */
  show(sentences) {
    for (const [subject, { note }] of this.#notes) {
      if (sentences.has(subject)) continue;
      note.remove();
      this.#notes.delete(subject);
    }
    for (const [subject, sentence] of sentences) {
      const words = this.#notes.get(subject)?.words ?? this.#add(subject);
      if (words.textContent !== sentence) words.textContent = sentence;
    }
  }

  #add(subject) {
    const words = document.createElement("p");
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "×", ariaLabel: "Dismiss" });
    close.addEventListener("click", () => this.#onDismiss(subject));
    const note = Object.assign(document.createElement("div"), { className: "note" });
    note.append(words, close);
    this.#root.append(note);
    this.#notes.set(subject, { note, words });
    return words;
  }
}
