import { EmotionStream } from "./emotion-stream.js";

const [source, toggle, video, words] = ["source", "toggle", "preview", "words"].map((id) => document.getElementById(id));
const stream = new EmotionStream();

stream.addEventListener("state", ({ detail: { state, reason } }) => {
  toggle.textContent = state === "closed" ? "Start" : "Stop";
  if (state !== "closed") words.value = state;
  else if (!reason) words.value = "Stopped"; // a reason is told as a problem
});
stream.addEventListener("problem", ({ detail }) => (words.value = detail.message));
stream.addEventListener("result", ({ detail: { result } }) => {
  const said = result.top5.map(({ label, prob }) => `${label} ${Math.round(100 * prob)} %`);
  words.value = said.join(", ") || "Nothing to say yet";
});

source.addEventListener("change", () => (stream.source = source.value));
toggle.addEventListener("click", () => (toggle.textContent === "Start" ? stream.start({ video }) : stream.stop()));
