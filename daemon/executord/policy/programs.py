"""Agents that are programs: how each is started, told and understood, as data [OPS-17].

Counterparts: `settings/rows.py`, which checks what the configuration says; `runners/`, which does it. Add a ready-made
entry: one row in `READY`. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

INBOX = "inbox"
PARSERS = ("inbox", "response-file", "exit-code", "claude-stream", "codex-jsonl", "gemini-stream", "opencode-json")
FOLDERS = ("memory", "instruction", "work")
LIMITS = ("run_s", "memory_bytes", "file_bytes", "cpu_s", "open_files", "output_bytes")


@dataclass(frozen=True, slots=True)
class Command:
    """A program that does the work of an agent.

    `prompt`: where what is to be done stands — on stdin, in a file, in an argument; the last two replace `{file}` or
    `{prompt}` in the arguments, or are put behind them. `words`: it reads prose, so it is given a prompt in which the
    message is fenced as data, else the message itself. `turns`: it takes further turns on stdin, in this form.
    """

    program: str = ""
    args: tuple[str, ...] = ()
    prompt: str = "stdin"
    words: bool = False
    parser: str = "inbox"
    environment: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = "memory"
    limits: Mapping[str, int] = field(default_factory=dict)
    grace_s: int = 10
    turns: str | None = None
    interrupt: bool = True  # whether `finalize` comes with SIGINT
    unit: bool = False  # in a unit of its own, by systemd-run [OPS-23]


_MODELS = ("ANTHROPIC_*", "OPENAI_*", "GEMINI_*", "GOOGLE_*", "AWS_*", "AZURE_*")
#: The command lines of agents that are known, by the name that stands in the roster.
READY: dict[str, Command] = {
    "claude": Command(
        "claude",
        ("-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose",
         "--replay-user-messages"),
        words=True, parser="claude-stream", turns="claude", interrupt=False,
        environment=("ANTHROPIC_*", "CLAUDE_*", "AWS_*", "GOOGLE_*", "CLOUD_ML_REGION", "API_TIMEOUT_MS",
                     "DISABLE_*", "BASH_*", "MCP_*", "MAX_*"),
    ),
    "codex": Command(
        "codex", ("exec", "--json", "--skip-git-repo-check", "-"),
        words=True, parser="codex-jsonl", interrupt=False, environment=("OPENAI_*", "CODEX_*", "AZURE_*"),
    ),
    "gemini": Command(
        "gemini", ("--output-format", "stream-json"),
        words=True, parser="gemini-stream", interrupt=False, environment=("GEMINI_*", "GOOGLE_*"),
    ),
    "opencode": Command(
        "opencode", ("run", "--format", "json"),
        words=True, parser="opencode-json", interrupt=False, environment=("OPENCODE_*", "OPENROUTER_*", *_MODELS),
    ),
}  # fmt: skip
#: Words for a runner that is no ready-made entry; the last two need a `program`.
KINDS = (INBOX, "command", "systemd-run")


def command_of(runner: Any) -> Command | None:
    """The program of a runner as it stands in the roster; None: its inbox is all. A `program` is needed to be one.

    A ready-made entry's arguments stay in front of those that are given, its allow-list holds with what is added.
    """
    if isinstance(runner, str):
        return READY.get(runner)
    if not isinstance(runner, Mapping):
        return None
    kind = str(runner.get("type") or "command")
    if kind == INBOX:
        return None
    base = READY.get(str(runner.get("entry") or ""), READY.get(kind, Command()))
    given = {k: v for k, v in runner.items() if v is not None and k not in ("type", "entry")}
    named = {k: given[k] for k in ("program", "prompt", "parser", "folder", "turns", "grace_s") if k in given}
    command = replace(
        base,
        **named,
        args=(*base.args, *map(str, given.get("args", ()))),
        environment=(*base.environment, *map(str, given.get("environment", ()))),
        env={str(k): v if isinstance(v, str) else json.dumps(v) for k, v in given.get("env", {}).items()},
        limits={**base.limits, **given.get("limits", {})},
        words=bool(given.get("words", base.words)),
        interrupt=bool(given.get("interrupt", base.interrupt)),
        unit=kind == "systemd-run",
    )
    return command if command.program else None
