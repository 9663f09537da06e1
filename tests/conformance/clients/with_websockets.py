"""The library websockets."""

import itertools
import json
import ssl
import struct
import sys
from pathlib import Path

from websockets.sync.client import connect

url, folder, certificate, deflate = sys.argv[1:]
voice, face = Path(folder, "voice.pcm").read_bytes(), Path(folder, "face.jpg").read_bytes()
context = None if certificate == "-" else ssl.create_default_context(cafile=certificate)
with connect(url, ssl=context, compression="deflate" if deflate == "yes" else None) as socket:
    numbers = itertools.count(1)

    def send(kind: int, payload: bytes) -> None:
        socket.send(struct.pack("<BI", kind, next(numbers)) + payload)

    for text in socket:
        print(text)
        if json.loads(text)["type"] == "ready":
            for at in range(12):
                send(1, voice[at * 3200 : (at + 1) * 3200])
        elif '"fused":{"state":"ok"' in str(text):
            break
        else:
            send(1, voice[38400:48000])
        send(2, face)
extensions = ", ".join(extension.name for extension in socket.protocol.extensions)
print(json.dumps({"type": "closed", "code": socket.close_code, "extensions": extensions}))
