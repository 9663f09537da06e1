// The package ws of npm.
import { readFileSync } from "node:fs";
import WebSocket from "ws";

const [url, folder, certificate, deflate] = process.argv.slice(2);
const voice = readFileSync(`${folder}/voice.pcm`);
const face = readFileSync(`${folder}/face.jpg`);
const socket = new WebSocket(url, {
  perMessageDeflate: deflate === "yes",
  ca: certificate === "-" ? undefined : readFileSync(certificate),
});
let number = 0;

function send(kind, payload) {
  const header = Buffer.alloc(5);
  header.writeUInt8(kind, 0);
  header.writeUInt32LE(++number, 1);
  socket.send(Buffer.concat([header, payload]));
}

socket.on("message", (data) => {
  const text = data.toString();
  console.log(text);
  if (JSON.parse(text).type === "ready") {
    for (let at = 0; at < 12; at++) send(1, voice.subarray(at * 3200, (at + 1) * 3200));
  } else if (text.includes('"fused":{"state":"ok"')) {
    socket.close(1000);
    return;
  } else {
    send(1, voice.subarray(38400, 48000));
  }
  send(2, face);
});
socket.on("close", (code) => console.log(JSON.stringify({ type: "closed", code, extensions: socket.extensions })));
