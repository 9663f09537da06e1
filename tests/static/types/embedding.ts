/** Whoever embeds the stream, as the compiler sees it: `tsc --noEmit -p tests/static/types`. Nothing runs this. */

import { EmotionStream, type Label, type Missing } from "../../../static/js/emotion-stream.js";

const stream = new EmotionStream({ source: "device", settings: { result_interval: 0.1 } });
new EmotionStream("wss://example.org/ws");
new EmotionStream(new URL("wss://example.org/ws"));
new EmotionStream();

stream.addEventListener("result", ({ detail: { result, delayMs } }) => {
  const label: Label | null = result.fused.label;
  const prob: number | undefined = label === null ? undefined : result.fused.probs[label];
  const delay: number | null = delayMs.frame;
  if (result.face.box !== null) result.face.box.map((side) => side * 100);
  // @ts-expect-error a path may have nothing to say
  result.voice.label.toUpperCase();
  // @ts-expect-error there is no such state
  if (result.face.state === "silence") stream.stop();
  console.log(prob, delay, result.top5[0]?.label, result.ms.total.toFixed(1));
});
stream.addEventListener("state", ({ detail }) => console.log(detail.state, detail.reason, detail.retryInMs));
stream.addEventListener("ready", ({ detail }) => console.log(detail.models.voice, detail.limits.fusion_weight[1]));
stream.addEventListener("device", ({ detail }) => console.log(detail.device === "camera", detail.state === "lost"));
stream.addEventListener("progress", ({ detail }) => console.log(detail.loaded / detail.total));
stream.addEventListener("problem", ({ detail }) => detail.recoverable || stream.stop());
// @ts-expect-error it has no such field
stream.addEventListener("calibration", ({ detail }) => console.log(detail.percent));

const video = document.querySelector("video");
const missing: Promise<Missing[] | null> = stream.start(video === null ? {} : { video, microphone: null });
missing.then((problems) => problems?.map(({ device, reason }) => `${device}: ${reason}`));

stream.open();
const id: number | null = stream.sendAudio(new Int16Array(1600));
stream.sendFrame(new ArrayBuffer(10));
stream.configure({ fusion_weight: 0.5 });
stream.calibrate("start");
stream.source = "server";
// @ts-expect-error sound is Int16
stream.sendAudio(new Float32Array(1600));
// @ts-expect-error that is the server's to set
stream.configure({ result_interval: 0.1 });
// @ts-expect-error nobody else answers
stream.source = "cloud";
// @ts-expect-error read only
stream.isReady = true;
console.log(id);
