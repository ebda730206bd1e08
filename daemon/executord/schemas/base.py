"""What all shapes of this folder are made of: who wrote a file, a message's envelope, rows that recur [CON-4, MEM-16].

Counterparts: `sent.py`, `promised.py`, `outgoing.py`, the messages; `made.py` and `finals.py`, the files.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant as we write it, `2026-11-20T10:15:00Z` [CON-0]."""

Priority = Literal["critical", "high", "medium", "low"]


class Ours(BaseModel):
    """What the daemon writes."""

    model_config = ConfigDict(extra="forbid", frozen=True, title=None)


class Marked(Ours):
    """Who wrote a file and why [MEM-16]."""

    generated_by: Literal["executord"]
    generated_at: Moment
    event: int | None = Field(description="The number of the journal's line; null where no case has it.")


class Late(Ours):
    """What is done late says so [EXE-26]."""

    due: str = Field(json_schema_extra={"format": "date-time"})
    late_by_s: int = Field(ge=0)


class Sent(Marked):
    """A message of the daemon [CON-4]."""

    id: str = Field(description="The file's name without its ending.")
    type: str
    from_: Literal["executor"] = Field(alias="from")
    to: str
    timestamp: Moment
    instruction_id: str | None = None
    session_id: str | None = None
    session: str | None = Field(default=None, description="The folder of the team session that it is about.")
    task_id: str | None = None
    attempt: int | None = Field(default=None, ge=0)
    priority: Priority | None = None
    in_reply_to: str | None = None
    filed_as: str | None = Field(default=None, description="Where the message lies that this one answers.")
    late: Late | None = Field(
        default=None, description="When it was due, where it is sent a minute after that or later."
    )
    meant_for: str | None = Field(default=None, description="Whom it was for, where that name is not known [MSG-6].")


class Asked(Sent):
    """What we expect an answer to [MSG-7]."""

    level: int = Field(ge=1, description="How far it has climbed; 1 = the first one asked.")
    answer_by: Moment | None = Field(description="When it climbs past its reader; null: it does not.")
    then_asked: str | None = Field(description="Who is asked then; null: nobody is left.")
    asked_before: list[str] | None = Field(default=None, description="Who was asked before.")


class FileRow(Ours):
    """A file named by a claim [CON-12]."""

    path: str
    size: int = Field(ge=0)
    sha256: str


class AttemptRow(Ours):
    """An earlier attempt of the task."""

    attempt: int
    agent: str
    state: str
    reason: str | None
