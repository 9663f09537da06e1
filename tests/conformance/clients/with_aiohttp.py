"""The client of aiohttp."""

import asyncio
import itertools
import json
import ssl
import struct
import sys
from pathlib import Path

import aiohttp

url, folder, certificate, deflate = sys.argv[1:]
voice, face = Path(folder, "voice.pcm").read_bytes(), Path(folder, "face.jpg").read_bytes()


async def main() -> None:
    """Stream until a result tells of both."""
    context = True if certificate == "-" else ssl.create_default_context(cafile=certificate)
    numbers = itertools.count(1)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, ssl=context, compress=15 if deflate == "yes" else 0) as socket,
    ):

        async def send(kind: int, payload: bytes) -> None:
            await socket.send_bytes(struct.pack("<BI", kind, next(numbers)) + payload)

        async for message in socket:
            print(message.data)
            if json.loads(message.data)["type"] == "ready":
                for at in range(12):
                    await send(1, voice[at * 3200 : (at + 1) * 3200])
            elif '"fused":{"state":"ok"' in message.data:
                await socket.close()
                break
            else:
                await send(1, voice[38400:48000])
            await send(2, face)
        extensions = "permessage-deflate" if socket.compress else ""
        print(json.dumps({"type": "closed", "code": socket.close_code, "extensions": extensions}))


asyncio.run(main())
