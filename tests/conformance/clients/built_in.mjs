// The WebSocket that Node has built in, the same as a browser's. It always offers permessage-deflate.
import { readFileSync } from "node:fs";

const [url, folder] = process.argv.slice(2); // its certificates come from NODE_EXTRA_CA_CERTS
const voice = readFileSync(`${folder}/voice.pcm`);
const face = readFileSync(`${folder}/face.jpg`);
const socket = new WebSocket(url);
let number = 0;

function send(kind, payload) {
  const message = new Uint8Array(5 + payload.length);
  new DataView(message.buffer).setUint8(0, kind);
  new DataView(message.buffer).setUint32(1, ++number, true);
  message.set(payload, 5);
  socket.send(message);
}

socket.addEventListener("message", ({ data }) => {
  console.log(data);
  if (JSON.parse(data).type === "ready") {
    for (let at = 0; at < 12; at++) send(1, voice.subarray(at * 3200, (at + 1) * 3200));
  } else if (data.includes('"fused":{"state":"ok"')) {
    socket.close(1000);
    return;
  } else {
    send(1, voice.subarray(38400, 48000));
  }
  send(2, face);
});
socket.addEventListener("close", ({ code }) =>
  console.log(JSON.stringify({ type: "closed", code, extensions: socket.extensions })),
);
