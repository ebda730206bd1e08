"""What a program has said, read from its output: the parsers [OPS-17].

Exit code 0 alone is never success: a terminal event, or a response, is required. Add a parser: one function here, its
word in `PARSERS` and in `programs.PARSERS`. Pure: bytes in, an `Outcome` out.

Rules of the house
- A line that is no JSON, or is cut off, is no event; the rest counts all the same.
- Who it is from and what it is about is never taken from the output: a worker cannot speak for another.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from executord.case import Outcome
from executord.paper import parse as parse_yaml
from executord.reading.keys import plain_keys
from executord.runners.ending import Exit

#: What a program may say of its task, by the words it may use.
KINDS: dict[str, str] = {
    **dict.fromkeys(("completion", "completed", "complete", "done", "result", "success", "done_with_concerns"),
                    "completion"),
    **dict.fromkeys(("blocked", "blocker", "needs_context"), "blocked"),
    **dict.fromkeys(("failed", "failure", "error"), "failed"),
    **dict.fromkeys(("declined", "refused", "reject"), "declined"),
    **dict.fromkeys(("progress", "status_update"), "progress"),
}  # fmt: skip
OURS = ("type", "from", "to", "from_agent", "agent", "sender", "id", "instruction_id", "instruction", "task_id", "task",
        "attempt", "timestamp", "in_reply_to", "generated_by", "generated_at", "event", "delegation")  # fmt: skip
TEXT_BYTES = 120_000  # of what it says, in a message; all of it stays in its output
_BLOCK = re.compile(r"```(?:ya?ml|json)[ \t]*\n(.*?)\n?```", re.S)
_FIELDS = frozenset({"type", "status", "summary", "output", "outputs", "reason", "description", "components"})


@dataclass(frozen=True, slots=True)
class Said:
    """What is left of a program: how it ended, its output, and the file that it may have answered with."""

    exit: Exit
    stdout: bytes = b""
    stderr: bytes = b""
    response: bytes | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a program, as its terminal event says it ended."""

    text: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What the events of a stream come to: its turns, an error without one, and what it has cost."""

    turns: tuple[Turn, ...] = ()
    error: str | None = None
    usd: float | None = None
    tokens: int | None = None


# --- streams ----------------------------------------------------------------------------------------------------------


def events(raw: bytes, *words: bytes) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a stream, one a line, that hold one of these words: most of a stream is none of them."""
    for line in raw.split(b"\n"):
        text = line.strip()
        if text.startswith(b"{") and any(word in text for word in words):
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found


def claude(raw: bytes) -> Heard:
    """`claude --output-format stream-json`: each turn ends with a `result`."""
    turns: list[Turn] = []
    usd, tokens = 0.0, 0
    for event in events(raw, b'"result"'):
        if event.get("type") != "result":
            continue
        text = _text(event.get("result"))
        failed = event.get("is_error") is True or event.get("subtype") not in ("success", None)
        turns.append(Turn(text, (text or _text(event.get("subtype")) or "an error") if failed else None))
        usd = max(usd, _number(event.get("total_cost_usd"), event.get("cost_usd")))  # of the whole session so far
        tokens += _sum(event.get("usage"), "input_tokens", "output_tokens", "cache_creation_input_tokens",
                       "cache_read_input_tokens")  # fmt: skip
    return Heard(tuple(turns), None, usd or None, tokens or None)


def codex(raw: bytes) -> Heard:
    """`codex exec --json`: `turn.completed` ends a turn, its last `agent_message` is the answer."""
    turns: list[Turn] = []
    last, error, tokens = "", None, 0
    for event in events(raw, b"_message", b'"turn.', b'"error"'):
        item = event.get("item")
        match event.get("type"):
            case "item.completed" if isinstance(item, dict):
                if (item.get("type") or item.get("item_type")) in ("agent_message", "assistant_message"):
                    last = _text(item.get("text")) or last
            case "turn.completed":
                turns.append(Turn(last))
                tokens += _sum(event.get("usage"), "input_tokens", "output_tokens")
            case "turn.failed":
                turns.append(Turn(last, _error(event.get("error")) or "the turn failed"))
            case "error":
                error = _error(event) or "an error"
            case _:
                pass
    return Heard(tuple(turns), error, None, tokens or None)


def gemini(raw: bytes) -> Heard:
    """`gemini --output-format stream-json`: `result` ends it, the assistant's messages are the answer."""
    turns: list[Turn] = []
    parts: list[str] = []
    error, tokens = None, 0
    for event in events(raw, b'"message"', b'"tool_use"', b'"error"', b'"result"'):
        match event.get("type"):
            case "message" if event.get("role") == "assistant":
                text = event.get("content")
                if isinstance(text, str):
                    if not event.get("delta"):
                        parts = []
                    parts.append(text)
            case "tool_use":
                parts = []  # what was said before a tool was used is no answer
            case "error" if event.get("severity") != "warning":
                error = _error(event) or "an error"
            case "result":
                stats = event.get("stats")
                tokens += _sum(stats, "total_tokens") or _sum(stats, "input_tokens", "output_tokens")
                failed = event.get("status") not in ("success", None) or event.get("error")
                turns.append(Turn("".join(parts) or _text(event.get("response")),
                                  (_error(event.get("error")) or error or "an error") if failed else None))  # fmt: skip
            case _:
                pass
    return Heard(tuple(turns), error, None, tokens or None)


def opencode(raw: bytes) -> Heard:
    """`opencode run --format json`: a `step_finish` that stops ends it, the texts of its last step are the answer."""
    turns: list[Turn] = []
    parts: list[str] = []
    error, usd, tokens = None, 0.0, 0
    for event in events(raw, b'"step_start"', b'"text"', b'"step_finish"', b'"error"'):
        part = event.get("part")
        part = part if isinstance(part, dict) else {}
        match event.get("type"):
            case "step_start":
                parts = []
            case "text":
                parts.append(_text(part.get("text")) or _text(event.get("text")))
            case "step_finish":
                usd += _number(part.get("cost"))
                tokens += _sum(part.get("tokens"), "input", "output", "reasoning")
                cache = (part.get("tokens") or {}).get("cache") if isinstance(part.get("tokens"), dict) else None
                tokens += _sum(cache, "read", "write")
                if part.get("reason") not in ("tool-calls", "tool_calls"):
                    stopped = part.get("reason") in ("stop", "completed", "end_turn", None)
                    turns.append(Turn("\n".join(parts), None if stopped else f"it stopped: {part.get('reason')}"))
            case "error":
                error = _error(event.get("error")) or _error(event) or "an error"
            case _:
                pass
    return Heard(tuple(turns), error, usd or None, tokens or None)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _error(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        data = value.get("data")
        inner = _text(data.get("message")) if isinstance(data, dict) else ""
        return _text(value.get("message")) or inner or _text(value.get("name")) or _error(value.get("error"))
    return ""


def _number(*values: Any) -> float:
    return next((float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and v > 0), 0.0)


def _sum(value: Any, *keys: str) -> int:
    return sum(int(_number(value.get(key))) for key in keys) if isinstance(value, dict) else 0


# --- the answer -------------------------------------------------------------------------------------------------------


def _stream(said: Said, heard: Heard) -> Outcome:
    """Of several turns, the last that says itself what it is, else the first that succeeded."""
    usd, tokens = heard.usd, heard.tokens
    good = [turn for turn in heard.turns if turn.error is None]
    replies = [reply for turn in reversed(good) if (reply := reply_in(turn.text)) is not None]
    if replies:
        return _outcome(replies[0], said, True, usd=usd, tokens=tokens)
    answer = next((turn.text for turn in good if turn.text.strip()), None)
    if answer is not None:
        return _outcome({"summary": _summary(answer), "output": answer}, said, False, usd=usd, tokens=tokens)
    bad = next((turn.error for turn in reversed(heard.turns) if turn.error), heard.error)
    if bad is not None:
        return Outcome(reason=f"it says: {bad[:500]}", usd=usd, tokens=tokens)
    if heard.turns:
        return Outcome(reason="it came to its end without saying anything", usd=usd, tokens=tokens)
    return Outcome(
        reason=f"{said.exit.said()}, without the event that ends a turn{_tail(said)}", usd=usd, tokens=tokens
    )


def _response(said: Said) -> Outcome:
    """The file that `EXECUTORD_RESULT` names: YAML or JSON, or a text."""
    raw = said.response
    if raw is None or not raw.strip():
        return Outcome(reason=f"{said.exit.said()}, without a response{_tail(said)}")
    return _document(raw, said, "its response")


def _exit_code(said: Said) -> Outcome:
    """What it printed, if its exit code is 0; an exit code without anything said is no success."""
    if said.response is not None and said.response.strip():
        return _document(said.response, said, "its response")
    if said.exit.code != 0:
        return Outcome(kind="failed", body={"reason": f"{said.exit.said()}{_tail(said)}"}, reason=said.exit.said())
    if not said.stdout.strip():
        return Outcome(reason=f"{said.exit.said()}, without a result")
    return _document(said.stdout, said, "its output")


def _inbox(said: Said) -> Outcome:
    """It answers by itself, by a message in our inbox; a response file is taken as well."""
    if said.response is not None and said.response.strip():
        return _document(said.response, said, "its response")
    return Outcome(reason=f"{said.exit.said()}, without an answer in the inbox{_tail(said)}")


def _document(raw: bytes, said: Said, what: str) -> Outcome:
    """A whole document: a mapping that says what it is, or a text; one that was cut off is no answer."""
    looks_written = bool(re.match(rb"\s*(?:[{\[]|---|[A-Za-z_]+:(?:\s|$))", raw))
    try:
        data = _read(raw, what)
    except Exception as error:  # a program writes what it likes: a claim cut short is no answer, other text is one
        if looks_written:
            return Outcome(reason=f"{what} cannot be read: {str(error)[:300]}")
        data = None
    if isinstance(data, Mapping) and _FIELDS & data.keys():
        if not any(data.get(key) for key in _FIELDS):
            return Outcome(reason=f"{what} says nothing")
        return _outcome(data, said, True)
    text = raw.decode("utf-8", "replace")
    reply = reply_in(text)
    if reply is not None:
        return _outcome(reply, said, True)
    if looks_written and raw.lstrip()[:1] in b"{[":
        return Outcome(reason=f"{what} cannot be read as an answer: none of {', '.join(sorted(_FIELDS))} stands in it")
    return _outcome({"summary": _summary(text), "output": text}, said, False)


def reply_in(text: str) -> Mapping[str, Any] | None:
    """The last block of YAML or JSON in a text that says what it is; else the whole text, if it is one."""
    for block in reversed([*_BLOCK.findall(text)] or [text]):
        if len(block) > 4 * TEXT_BYTES:
            continue
        try:
            data = _read(block.encode(), "answer")
        except Exception:  # a block of some other language: the one before it may be the answer
            continue
        if isinstance(data, Mapping) and ("type" in data or "status" in data) and _kind(data) is not None:
            return data
        if isinstance(data, Mapping) and "summary" in data and {"output", "outputs", "components"} & data.keys():
            return data
    return None


def _read(raw: bytes, what: str) -> Mapping[str, Any] | None:
    """The mapping that a document is, in the keys that are read."""
    data = parse_yaml(raw, path=what).data
    return plain_keys(data) if data is not None else None


def _kind(data: Mapping[str, Any]) -> str | None:
    said = str(data.get("type") or data.get("status") or "").strip().lower().replace("-", "_").replace(" ", "_")
    return KINDS.get(said)


def _outcome(
    data: Mapping[str, Any], said: Said, explicit: bool, usd: float | None = None, tokens: int | None = None
) -> Outcome:
    kind = _kind(data) or "completion"
    body = {str(k): _cut(v) for k, v in data.items() if k not in OURS and not (k == "status" and _kind({"type": v}))}
    if str(data.get("type") or data.get("status") or "").lower().replace("-", "_") == "done_with_concerns":
        body.setdefault("concerns", ["it says so itself, and does not say which"])
    if kind == "completion" and (said.exit.code or said.exit.signal):
        concerns = body.get("concerns")
        listed = list(concerns) if isinstance(concerns, list | tuple) else [concerns] if concerns else []
        body["concerns"] = [*listed, f"{said.exit.said()}, and yet its result is whole"]
    if kind == "failed":
        body.setdefault("reason", _text(body.get("summary")) or "it says that it failed")
    return Outcome(kind, body, explicit, "", usd, tokens)


def _summary(text: str) -> str:
    """The first paragraph, short enough for a line."""
    paragraph = next((p for p in re.split(r"\n\s*\n", text.strip()) if p.strip()), "")
    words = " ".join(paragraph.split()).lstrip("#*- ")
    return words if len(words) <= 400 else words[:399] + "…"


def _cut(value: Any) -> Any:
    """A long text with its middle left out: a message has a limit, the output keeps it all."""
    if isinstance(value, str) and len(value.encode("utf-8", "replace")) > TEXT_BYTES:
        half = TEXT_BYTES // 4
        return f"{value[:half]}\n[… {len(value) - 2 * half} characters left out …]\n{value[-half:]}"
    return value


def _tail(said: Said) -> str:
    """The last thing that it wrote to stderr."""
    lines = [line.strip() for line in said.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return f" ({lines[-1][:300]})" if lines else ""


PARSERS: dict[str, Callable[[Said], Outcome]] = {
    "inbox": _inbox,
    "response-file": _response,
    "exit-code": _exit_code,
    "claude-stream": lambda said: _stream(said, claude(said.stdout)),
    "codex-jsonl": lambda said: _stream(said, codex(said.stdout)),
    "gemini-stream": lambda said: _stream(said, gemini(said.stdout)),
    "opencode-json": lambda said: _stream(said, opencode(said.stdout)),
}


def outcome_of(parser: str, said: Said) -> Outcome:
    """What a program had to say, by its parser; one that was never started has said nothing."""
    if said.exit.error is not None or not said.exit.began:
        return Outcome(reason=said.exit.said())
    try:
        found = PARSERS[parser](said)
    except Exception as error:  # a program writes what it likes: what is wrong goes into the task's journal
        return Outcome(reason=f"{said.exit.said()}, and what it said cannot be read: {error}"[:500])
    if said.exit.over_time and not found.explicit:
        return Outcome(reason=said.exit.said(), usd=found.usd, tokens=found.tokens)
    return found
