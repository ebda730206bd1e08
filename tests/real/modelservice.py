"""A stand-in for the services of models: it speaks the streams that agents' command lines read, by a script.

`ModelService(script)` listens on a port of this machine. The script is asked with what the program said (`Talk`) and
answers a text, or `Use(command)`: the program runs it with its own shell tool. Spoken are Anthropic's messages,
OpenAI's responses and chat completions, and Gemini's generateContent. What a program asks beside the work (titles,
counts, checks with a schema) the script is not asked about.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: How the shell tool of a program may be called, the first that it offers is taken.
SHELLS = ("Bash", "bash", "run_shell_command", "exec_command", "shell_command", "shell", "local_shell")
Event = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Use:
    """A command for the program's shell tool."""

    command: str


@dataclass(frozen=True)
class Talk:
    """A conversation as the program sends it: whose words, how many results of tools, which tools it offers."""

    form: str
    words: str
    results: int
    tools: Mapping[str, Mapping[str, Any]]

    def use(self, command: str) -> tuple[str, dict[str, Any]]:
        """The call of its shell tool for a command."""
        name = next(shell for shell in SHELLS if shell in self.tools)
        field = "cmd" if "cmd" in self.tools[name] else "command"
        as_list = (self.tools[name].get(field) or {}).get("type") == "array"
        given: dict[str, Any] = {field: ["bash", "-c", command] if as_list else command}
        if "description" in self.tools[name]:
            given["description"] = "do what is to be done"
        return name, given


Script = Callable[[Talk], str | Use]


class ModelService:
    """Listens until it is closed; `talks` are the conversations that the script was asked about."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.talks: list[Talk] = []
        self.asked: list[str] = []  # every request: its path
        self.faults: list[str] = []
        service = self

        class Handler(_Handler):
            owner = service

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, talk: Talk) -> str | tuple[str, dict[str, Any]]:
        """What the model says: a text, or the call of a tool."""
        if not any(shell in talk.tools for shell in SHELLS):
            return "A title"
        self.talks.append(talk)
        said = self.script(talk)
        return talk.use(said.command) if isinstance(said, Use) else said


class _Handler(BaseHTTPRequestHandler):
    owner: ModelService
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self._send(b"", "text/plain")

    def do_GET(self) -> None:
        self.owner.asked.append(self.path)
        self._send(b'{"data": [], "object": "list", "models": []}', "application/json")

    def do_POST(self) -> None:
        self.owner.asked.append(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
        path = self.path.partition("?")[0]
        try:
            if path.endswith(("/count_tokens", ":countTokens")):
                self._send(b'{"input_tokens": 10, "totalTokens": 10}', "application/json")
            elif path.endswith("/messages"):
                self._stream(anthropic(self.owner, body), named=True)
            elif path.endswith("/responses"):
                self._stream(responses(self.owner, body), named=True)
            elif path.endswith("/chat/completions"):
                self._stream(chat(self.owner, body), named=False, last=b"data: [DONE]\n\n")
            elif path.endswith(":streamGenerateContent"):
                self._stream(gemini(self.owner, body), named=False)
            elif path.endswith(":generateContent"):
                (_, found), *_ = gemini(self.owner, body)
                self._send(json.dumps(found).encode(), "application/json")
            else:
                self._send(b"{}", "application/json", 404)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except Exception as error:
            self.owner.faults.append(f"{self.path}: {error!r}")
            raise

    def _stream(self, events: Iterator[Event], *, named: bool, last: bytes = b"") -> None:
        parts = [(f"event: {name}\n".encode() if named else b"") + b"data: " + json.dumps(data).encode() + b"\n\n"
                 for name, data in events]  # fmt: skip
        self._send(b"".join(parts) + last, "text/event-stream")

    def _send(self, data: bytes, kind: str, code: int = 200) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _text(content: Any) -> str:
    """The words of a message, however its content is written."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content] if isinstance(content, dict) else []
    return "\n".join(str(p.get("text") or "") for p in parts if isinstance(p, dict))


def anthropic(service: ModelService, body: Mapping[str, Any]) -> Iterator[Event]:
    """`POST /v1/messages`."""
    messages = body.get("messages", [])
    blocks = [b for m in messages if isinstance(m["content"], list) for b in m["content"]]
    tools = {t["name"]: t.get("input_schema", {}).get("properties", {}) for t in body.get("tools", [])}
    talk = Talk("anthropic", "\n".join(_text(m["content"]) for m in messages if m["role"] != "assistant"),
                sum(b.get("type") == "tool_result" for b in blocks), tools)  # fmt: skip
    said = service.answer(talk)
    if isinstance(said, str):
        block: dict[str, Any] = {"type": "text", "text": ""}
        delta: dict[str, Any] = {"type": "text_delta", "text": said}
    else:
        block = {"type": "tool_use", "id": f"toolu_{talk.results}", "name": said[0], "input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(said[1])}
    message = {"id": f"msg_{len(service.talks)}", "type": "message", "role": "assistant", "content": [],
               "model": body.get("model"), "stop_reason": None, "stop_sequence": None,
               "usage": {"input_tokens": 10, "output_tokens": 1}}  # fmt: skip
    stop = "end_turn" if isinstance(said, str) else "tool_use"
    yield "message_start", {"type": "message_start", "message": message}
    yield "content_block_start", {"type": "content_block_start", "index": 0, "content_block": block}
    yield "content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}
    yield "content_block_stop", {"type": "content_block_stop", "index": 0}
    yield "message_delta", {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
                            "usage": {"output_tokens": 15}}  # fmt: skip
    yield "message_stop", {"type": "message_stop"}


def responses(service: ModelService, body: Mapping[str, Any]) -> Iterator[Event]:
    """`POST /v1/responses`."""
    items = [i for i in body.get("input", []) if isinstance(i, dict)]
    tools = {str(t.get("name") or t.get("type")): t.get("parameters", {}).get("properties", {})
             for t in body.get("tools", [])}  # fmt: skip
    talk = Talk("responses", "\n".join(_text(i.get("content")) for i in items if i.get("role") == "user"),
                sum(str(i.get("type")).endswith("_output") for i in items), tools)  # fmt: skip
    said = service.answer(talk)
    head = {"id": f"resp_{len(service.talks)}", "object": "response", "model": body.get("model")}
    if isinstance(said, str):
        item: dict[str, Any] = {"type": "message", "role": "assistant", "id": "msg_1",
                                "content": [{"type": "output_text", "text": said}]}  # fmt: skip
    else:
        item = {"type": "function_call", "id": f"fc_{talk.results}", "call_id": f"call_{talk.results}",
                "name": said[0], "arguments": json.dumps(said[1])}  # fmt: skip
    usage = {"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 15,
             "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 25}  # fmt: skip
    yield "response.created", {"type": "response.created", "response": {**head, "status": "in_progress"}}
    yield "response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}
    done = {**head, "status": "completed", "output": [item], "usage": usage}
    yield "response.completed", {"type": "response.completed", "response": done}


def chat(service: ModelService, body: Mapping[str, Any]) -> Iterator[Event]:
    """`POST /v1/chat/completions`."""
    messages = body.get("messages", [])
    tools = {t["function"]["name"]: t["function"].get("parameters", {}).get("properties", {})
             for t in body.get("tools", [])}  # fmt: skip
    talk = Talk("chat", "\n".join(_text(m.get("content")) for m in messages if m["role"] == "user"),
                sum(m["role"] == "tool" for m in messages), tools)  # fmt: skip
    said = service.answer(talk)
    head = {"id": f"c_{len(service.talks)}", "object": "chat.completion.chunk", "model": body.get("model")}
    delta: dict[str, Any] = {"role": "assistant"}
    if isinstance(said, str):
        delta["content"] = said
    else:
        call = {"name": said[0], "arguments": json.dumps(said[1])}
        delta["tool_calls"] = [{"index": 0, "id": f"call_{talk.results}", "type": "function", "function": call}]
    stop = "stop" if isinstance(said, str) else "tool_calls"
    usage = {"prompt_tokens": 10, "completion_tokens": 15, "total_tokens": 25}
    yield "", {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield "", {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": stop}], "usage": usage}


def gemini(service: ModelService, body: Mapping[str, Any]) -> Iterator[Event]:
    """`POST /v1beta/models/{model}:streamGenerateContent`, and the same in one piece."""
    contents = body.get("contents", [])
    parts = [p for c in contents for p in c.get("parts", [])]
    tools = {f["name"]: (f.get("parameters") or f.get("parametersJsonSchema") or {}).get("properties", {})
             for t in body.get("tools", []) for f in t.get("functionDeclarations", [])}  # fmt: skip
    talk = Talk("gemini", "\n".join(_text(c.get("parts")) for c in contents if c.get("role") == "user"),
                sum("functionResponse" in p for p in parts), tools)  # fmt: skip
    config = body.get("generationConfig") or {}
    if any(key in config for key in ("responseSchema", "responseJsonSchema")):
        said: str | tuple[str, dict[str, Any]] = '{"reasoning": "it is done", "next_speaker": "user"}'
    else:
        said = service.answer(talk)
    part = {"text": said} if isinstance(said, str) else {"functionCall": {"name": said[0], "args": said[1]}}
    yield (
        "",
        {
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 15, "totalTokenCount": 25},
            "modelVersion": "stand-in",
        },
    )
