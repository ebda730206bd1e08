"""yaml-language-server as an editor speaks to it: files are opened, and what would be underlined comes back [MSG-9].

`make editors` installs it into `build/editors`; without it there is nothing to ask.
"""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROGRAM = Path(__file__).parent.parent / "build/editors/node_modules/.bin/yaml-language-server"
ANSWER_S = 60.0
_SETTINGS = {"validate": True, "hover": True, "completion": True, "schemaStore": {"enable": False}}


def missing() -> str:
    """Why it cannot be asked here; empty if it can."""
    if shutil.which("node") is None:
        return "there is no node here (yaml-language-server is a program of node)"
    return "" if PROGRAM.exists() else "yaml-language-server is not installed: `make editors` does"


class LanguageServer:
    """One running server; a context manager."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [str(PROGRAM), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._arrived: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self._number = 0

    def __enter__(self) -> Self:
        self._ask("initialize", {"processId": None, "rootUri": None, "capabilities": {"workspace": {
            "configuration": True, "didChangeConfiguration": {"dynamicRegistration": True}}}})  # fmt: skip
        self._say("initialized", {})
        self._say("workspace/didChangeConfiguration", {"settings": {"yaml": _SETTINGS}})
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.kill()
        self._server.wait()

    def faults(self, path: Path) -> list[tuple[int, int, str]]:
        """Line and column, from 1, and words of everything that is underlined in a file, from the top."""
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": path.read_text(encoding="utf-8")}
        self._say("textDocument/didOpen", {"textDocument": document})
        found = self._until(
            lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri
        )
        self._say("textDocument/didClose", {"textDocument": {"uri": uri}})
        self._until(lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri)
        rows = [(each["range"]["start"], each["message"]) for each in found["params"]["diagnostics"]]
        return sorted((at["line"] + 1, at["character"] + 1, words) for at, words in rows)

    def completions(self, path: Path, line: int, column: int) -> set[str]:
        """What is offered at a place, from 1."""
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": path.read_text(encoding="utf-8")}
        self._say("textDocument/didOpen", {"textDocument": document})
        place = {"textDocument": {"uri": uri}, "position": {"line": line - 1, "character": column - 1}}
        said = self._ask("textDocument/completion", place)
        self._say("textDocument/didClose", {"textDocument": {"uri": uri}})
        return {str(each["label"]) for each in said["result"]["items"]}

    def _published(self, uri: str) -> list[dict[str, Any]]:
        method = "textDocument/publishDiagnostics"
        said = self._until(lambda m: m.get("method") == method and m["params"]["uri"] == uri)
        return list(said["params"]["diagnostics"])

    def _ask(self, method: str, params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        self._send({"id": number, "method": method, "params": params})
        return self._until(lambda m: m.get("id") == number and "method" not in m)

    def _say(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _until(self, wanted: Any) -> dict[str, Any]:
        while True:
            message = self._arrived.get(timeout=ANSWER_S)
            if message is None:
                raise AssertionError("the language server has ended")
            if "method" in message and "id" in message:  # it asks back
                items = message.get("params", {}).get("items", [])
                answer = [_SETTINGS if each.get("section") == "yaml" else None for each in items]
                asked = message["method"] == "workspace/configuration"
                self._send({"id": message["id"], "result": answer if asked else None})
            elif wanted(message):
                return message

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._server.stdin is not None
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._server.stdin.flush()

    def _read(self) -> None:
        stream = self._server.stdout
        assert stream is not None
        length = 0
        while line := stream.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif line == b"\r\n":
                self._arrived.put(json.loads(stream.read(length)))
        self._arrived.put(None)
