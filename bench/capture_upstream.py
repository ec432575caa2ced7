"""Something that answers as Ollama streams: `python -m bench.capture_upstream LINES INTERVAL_S` says its port.

Each request is answered with so many lines, each with the moment at which it was sent (the system's monotonic clock).
"""

import asyncio
import json
import sys
import time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"


def _line(content: str, *, done: bool) -> bytes:
    line = {"model": "m", "at": time.monotonic(), "message": {"role": "assistant", "content": content}, "done": done}
    data = json.dumps(line | ({"done_reason": "stop"} if done else {})).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(data), data)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lines: int, interval_s: float) -> None:
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                ),
                0,
            )
            await reader.readexactly(length)
            writer.write(HEAD)
            for number in range(lines):
                writer.write(_line("word ", done=number == lines - 1))
                if interval_s:
                    await writer.drain()
                    await asyncio.sleep(interval_s)
            writer.write(b"0\r\n\r\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def _serve(lines: int, interval_s: float) -> None:
    server = await asyncio.start_server(lambda r, w: _answer(r, w, lines, interval_s), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
