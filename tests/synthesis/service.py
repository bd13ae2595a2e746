"""A real local server that speaks the protocol of chat completions, and misbehaves as told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answered:
    """What the server sends: a body as bytes or text; headers; whether it waits first."""

    body: str | bytes = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    claimed: int | None = None
    endless: bool = False


Script = Callable[[dict[str, Any], int], Answered]


def completion(text: str | None, tokens: int = 3) -> Answered:
    reply = {
        "choices": [{"message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": tokens},
    }
    return Answered(json.dumps(reply))


class Service:
    """A server in a thread; `script` says what it answers to a body and its number."""

    def __init__(self, script: Script) -> None:
        self.asked: list[dict[str, Any]] = []
        self.authorization: list[str | None] = []
        self.done = threading.Event()
        lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    number = len(service.asked)
                    service.asked.append(body)
                    service.authorization.append(self.headers.get("Authorization"))
                answer = script(body, number)
                if answer.hang:
                    service.done.wait(20)
                    return
                content = answer.body if isinstance(answer.body, bytes) else answer.body.encode()
                self.send_response(answer.status)
                length = len(content) if answer.claimed is None else answer.claimed
                for name, value in {"Content-Length": str(length), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                while answer.endless and not service.done.is_set():
                    try:
                        self.wfile.write(b" " * 2**16)
                    except OSError:  # the other side has had enough
                        return

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def close(self) -> None:
        self.done.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
