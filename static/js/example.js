import { EmotionStream } from "./emotion-stream.js";

const ids = ["source", "toggle", "preview", "words", "lacking"];
const [source, toggle, video, words, lacking] = ids.map((id) => document.getElementById(id));
const stream = new EmotionStream({ source: source.value });
let problem = null; // that ended the stream, or keeps it waiting

stream.addEventListener("state", ({ detail: { state, reason } }) => {
  toggle.textContent = state === "closed" ? "Start" : "Stop";
  if (state === "connecting" || state === "open") problem = null;
  words.value = state === "closed" && !reason ? "Stopped" : ((reason && problem) ?? reason ?? state);
});
stream.addEventListener("problem", ({ detail: { message, recoverable } }) => {
  words.value = message;
  if (!recoverable) problem = message;
});
stream.addEventListener("result", ({ detail: { result } }) => {
  const said = result.top5.map(({ label, prob }) => `${label} ${Math.round(100 * prob)} %`);
  words.value = said.join(", ") || "Nothing to say yet";
});

async function start() {
  const problems = await stream.start({ video }).catch(({ message }) => void (words.value = message));
  lacking.value = (problems ?? []).map(({ device, reason }) => `The ${device} cannot be had: ${reason}. `).join("");
}

source.addEventListener("change", () => (stream.source = source.value));
toggle.addEventListener("click", () => (toggle.textContent === "Start" ? start() : stream.stop()));
