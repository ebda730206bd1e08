"""What `respond` can say: one answer a call, and which options go with it [OPS-4].

Counterpart: `messages/`, what each type holds.
"""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from executord.errors import BadInput, CannotWrite, NotFound, UsageError
from executord.files.disk import rename
from executord.files.dropping import cannot, make_folders, sync_folder
from executord.paper import MESSAGE_ENDINGS, parse


@dataclass(frozen=True, slots=True)
class Answer:
    """One kind of answer: its option, the message's type, what must go with it, and option → field."""

    option: str
    type: str
    needs: tuple[str, ...]
    fields: Mapping[str, str]

    @staticmethod
    def of(said: Mapping[str, Any]) -> Answer:
        """The one answer that the options make. Raises `UsageError` if they make none, several, or half of one."""
        given = [k for k, v in said.items() if v is not None and v is not False and v != []]
        chosen = [a for a in ANSWERS if a.option in given]
        if len(chosen) > 1 and chosen[-1].option == "customer_update" and "customer_update" in chosen[0].fields:
            chosen.pop()  # told to the customer, and said in the completion
        every = ", ".join(_flag(a.option) for a in ANSWERS)
        if len(chosen) != 1:
            raise UsageError("say one thing at a time" if chosen else "there is no answer", fix=f"use one of {every}")
        answer = chosen[0]
        for missing in [k for k in answer.needs if not said.get(k)]:
            raise UsageError(f"{_flag(answer.option)} needs {_flag(missing)}", fix=f"add {_flag(missing)} …")
        if answer.option == "done" and not (said.get("output") or said.get("file")):
            raise UsageError("--done needs a result", fix="add --output TEXT|@FILE or --file PATH")
        for stray in [k for k in given if k != answer.option and k not in answer.fields]:
            raise UsageError(f"{_flag(stray)} does not go with {_flag(answer.option)}", fix=f"leave out {_flag(stray)}")
        return answer


_ETA = {"eta": "eta"}
_REASON = {"reason": "reason"}
#: Every answer; the last may also go with --done.
ANSWERS = (
    Answer("ack", "acknowledgement", (), _ETA),
    Answer("progress", "progress", (), {"note": "note", **_ETA}),
    Answer("done", "completion", ("summary",), {
        "summary": "summary", "output": "output", "file": "artifacts", "concern": "concerns",
        "customer_update": "customer_update",
    }),
    Answer("blocked", "blocked", ("description",), {"description": "description"}),
    Answer("answer", "unblocked", (), {"answer": "answer"}),
    Answer("failed", "failed", ("reason",), _REASON),
    Answer("decline", "declined", ("reason",), _REASON),
    Answer("customer_update", "customer_update", (), {"customer_update": "customer_update"}),
)  # fmt: skip


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def text_or_file(said: str) -> Any:
    """The text itself, or with `@` what the file holds: data for YAML and JSON, else its text.

    Raises `NotFound`, `BadInput`.
    """
    if not said.startswith("@"):
        return said
    path = said[1:]
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError as error:
        raise NotFound("there is no such file", path=path) from error
    except OSError as error:
        raise BadInput(f"it cannot be read: {error.strerror}", path=path) from error
    if path.lower().endswith(MESSAGE_ENDINGS):
        return dict(parse(raw, path=path).data or {})
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput("the file is not UTF-8 text", path=path, fix="hand it in with --file") from error


def carry_files(folder: str, task: str, paths: Iterable[str]) -> list[str]:
    """The files as they are named from the instruction's `folder`; one that lies elsewhere is copied to where results
    belong, `outputs/partial/{task}/` [EXE-13, MEM-23]. Raises `NotFound`, `CannotWrite`."""
    return [_carried(folder, task, path) for path in paths]


def _carried(folder: str, task: str, path: str) -> str:
    source = next((p for p in (path, os.path.join(folder, path)) if os.path.exists(p)), None)
    if source is None:
        raise NotFound("there is no such file", path=path)
    outputs = os.path.realpath(os.path.join(folder, "outputs"))
    real = os.path.realpath(source)
    if real.startswith(outputs + os.sep):
        return os.path.join("outputs", os.path.relpath(real, outputs))
    if not os.path.isfile(real):
        raise BadInput("it is not a file", path=path, fix="name the files in it one by one")
    name = os.path.basename(real).lstrip(".") or "result"
    place = f"outputs/partial/{task}"
    target = os.path.join(folder, place, name)
    try:
        _copy(os.path.dirname(folder), f"{os.path.basename(folder)}/{place}", real, target)
    except OSError as error:
        raise cannot(target, error) from error
    return f"{place}/{name}"


def _copy(root: str, place: str, source: str, target: str) -> None:
    make_folders(root, place)
    aside = os.path.join(os.path.dirname(target), f".{secrets.token_hex(6)}.part")
    try:
        shutil.copyfile(source, aside)
        if not rename(aside, target) and not filecmp.cmp(source, target, shallow=False):
            raise CannotWrite("another file of that name lies there", path=target, fix="rename yours")
        sync_folder(os.path.dirname(target))
    finally:
        if os.path.lexists(aside):
            os.unlink(aside)
