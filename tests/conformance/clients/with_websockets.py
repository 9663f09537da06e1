"""The library websockets.

In one thread: its other client reads in a thread of its own, and Python's `ssl` lets two threads of one connection get
into each other's way (python/cpython#143756), which this once waited for in vain.
"""

import asyncio
import itertools
import json
import ssl
import struct
import sys
from pathlib import Path

from websockets.asyncio.client import connect


async def main(url: str, voice: bytes, face: bytes, certificate: str, deflate: str) -> None:
    context = None if certificate == "-" else ssl.create_default_context(cafile=certificate)
    async with connect(url, ssl=context, compression="deflate" if deflate == "yes" else None) as socket:
        numbers = itertools.count(1)

        async def send(kind: int, payload: bytes) -> None:
            await socket.send(struct.pack("<BI", kind, next(numbers)) + payload)

        async for text in socket:
            print(text)
            if json.loads(text)["type"] == "ready":
                for at in range(12):
                    await send(1, voice[at * 3200 : (at + 1) * 3200])
            elif '"fused":{"state":"ok"' in str(text):
                break
            else:
                await send(1, voice[38400:48000])
            await send(2, face)
    extensions = ", ".join(extension.name for extension in socket.protocol.extensions)
    print(json.dumps({"type": "closed", "code": socket.close_code, "extensions": extensions}))


address, folder, *others = sys.argv[1:]
asyncio.run(main(address, Path(folder, "voice.pcm").read_bytes(), Path(folder, "face.jpg").read_bytes(), *others))
