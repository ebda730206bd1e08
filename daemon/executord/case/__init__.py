"""What lies in a case's folder, as plain values.

Counterparts: `reading/` makes the specs from what people wrote, `fold.py` the rest from the journal; `casebook.py`
holds them together. All are frozen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from executord.case.attempts import Attempt as Attempt
from executord.case.attempts import Claim as Claim
from executord.case.attempts import FileFact as FileFact
from executord.case.attempts import HandClaim as HandClaim
from executord.case.attempts import Outcome as Outcome
from executord.case.attempts import Process as Process
from executord.case.attempts import ProcessSeen as ProcessSeen
from executord.case.pledges import Breach as Breach
from executord.case.pledges import Carried as Carried
from executord.case.pledges import Extension as Extension
from executord.case.pledges import Paused as Paused
from executord.case.pledges import Reply as Reply
from executord.case.pledges import Repriced as Repriced
from executord.case.pledges import Sending as Sending
from executord.case.pledges import Told as Told
from executord.case.pledges import Update as Update
from executord.case.pledges import Workaround as Workaround
from executord.case.products import ArchiveAsked, Delivery, OutputFile
from executord.case.specs import FOLDERS as FOLDERS
from executord.case.specs import Checkpoint as Checkpoint
from executord.case.specs import Customer as Customer
from executord.case.specs import Folder as Folder
from executord.case.specs import InstructionSpec as InstructionSpec
from executord.case.specs import Plan as Plan
from executord.case.specs import TaskFile as TaskFile
from executord.case.specs import TaskSpec as TaskSpec
from executord.case.warroom import Incident
from executord.errors import Finding
from executord.evolve import empty, replace

SEQUENTIAL_TIERS = (0, 1, 2)
UNPLANNED = 1 << 30  # plan position of a task that the plan does not name: behind all that it names

# --- what the journal says -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hold:
    """On hold since `at`, by a named person, until `release` or `until` [EXE-25]."""

    n: int
    by: str
    at: datetime
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Ended:
    """completed (verified), deferred or cancelled; `by` and `reason` for the last two [EXE-3]."""

    state: str
    at: datetime
    by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """The holder cannot go on [EXE-17]."""

    n: int
    at: datetime
    by: str
    kind: str
    description: str
    on_customer: bool = False  # the question is the customer's: then the resolution clock may pause [SLA-7]
    derived: str = ""  # how the kind was found


@dataclass(frozen=True, slots=True)
class PastBlocker:
    """A blocker that is gone, and how long it stood. Without `answered_by` its attempt ended before the answer."""

    n: int
    kind: str
    at: datetime
    until: datetime
    description: str = ""
    answered_by: str | None = None
    asked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Owed:
    """Something that a taken message obliges us to: carried out by a line, then gone."""

    name: str
    kind: str
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that we expect an answer to [MSG-7]: who is asked, since when, and how far it has climbed.

    `subject` is its name in the case for ever: `blocker T3 #2`; its first word tells which row of `rules/asks.py` it
    follows. `told` are those who were asked, by level; `passed` also those whom it went past without asking.
    """

    subject: str
    at: datetime  # from when on it is owed
    facts: Mapping[str, Any] = field(default_factory=empty)  # what its row needs for the message
    line: str | None = None  # the name of the line that asks first, where it is not `ask {subject}`
    lasts: bool = False  # it outlives the task or the instruction that it is about
    by_ack: bool = False  # an acknowledgement is all that is expected
    level: int = 0  # 0: nobody was asked yet
    to: str | None = None  # who is asked now
    since: datetime | None = None  # since when he is
    first: datetime | None = None  # when anybody was asked first
    reminded: bool = False
    acknowledged: datetime | None = None
    acknowledged_by: str | None = None
    over: bool = False  # nobody is left to ask: it stands in `status` and in the digest [EXE-29]
    told: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()  # the names of the messages that asked, for `in_reply_to`

    @property
    def about(self) -> str:
        """What kind of ask it is."""
        return self.subject.split(" ", 1)[0]


@dataclass(frozen=True, slots=True)
class Task:
    """One task: its file and what the journal says of it."""

    id: str
    key: tuple[Any, ...] = ()
    planned: bool = False
    spec: TaskSpec = field(default_factory=lambda: TaskSpec(""))
    file: TaskFile | None = None
    rivals: tuple[str, ...] = ()  # other files with this id, from the case's folder
    clash: str | None = None  # where its file belongs another one lies: that place, from the case's folder
    gone_at: datetime | None = None  # when its file was first missed
    gone_looks: int = 0
    process_seen: ProcessSeen | None = None
    start_after: datetime | None = None  # there was no room for a process of it
    # from the journal
    since: datetime | None = None  # the last line of the journal that changed its state
    admitted: int = 0
    born: datetime | None = None  # when its file was taken in first
    present: bool = False  # admitted and not deleted since
    deleted: bool = False  # ended because its file was deleted: it opens again if the file comes back
    found: HandClaim | None = None  # what lies beside a file that a hand put into completed/
    folder: Folder | None = None
    name: str | None = None  # of its file
    sha256: str | None = None
    edits: int = 0
    moves: int = 0
    hand_moves: int = 0
    forced: bool = False  # put into in_progress by hand: dispatched whatever it waits for
    attempts: tuple[Attempt, ...] = ()
    spent: int = 0  # attempts that count against the tier's number, since the last retry
    ended: Ended | None = None
    results: int = 0
    result_owed: bool = False
    result: OutputFile | None = None  # the last result that we wrote
    issues: tuple[str, ...] = ()  # what the validator wants mended in it, until it is done again
    escalated: str | None = None  # why a decision is awaited
    escalations: int = 0
    questions: int = 0  # put to us about it
    hold: Hold | None = None
    holds: int = 0
    blocked: Blocked | None = None
    also_blocked: tuple[Blocked, ...] = ()  # more of them, of other kinds
    blockers: int = 0
    past_blockers: tuple[PastBlocker, ...] = ()
    heard: tuple[str, ...] = ()  # the messages that were passed on to its holders
    bound: str | None = None  # the agent named by reassign, or promised a handoff
    bound_why: str | None = None
    excluded: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()  # whose attempts were closed as timed out; until a retry
    released: frozenset[str] = frozenset()  # dependencies and checkpoints let go by name ("*" = all)
    overrides: tuple[tuple[str, Any, Any], ...] = ()  # (field, value, what the file said then) [MEM-22]
    updates: tuple[int, ...] = ()  # accepted customer updates
    pauses: tuple[Paused, ...] = ()
    extensions: tuple[Extension, ...] = ()
    repriced: tuple[Repriced, ...] = ()
    wrote: str = ""  # the priority that its file gave when it was taken in last
    gave: tuple[tuple[str, str], ...] = ()  # what it promised then
    warned: frozenset[str] = frozenset()  # marks of its clocks that were told or skipped: `resolution#1 75%`
    breaches: tuple[Breach, ...] = ()
    notices: tuple[Told, ...] = ()  # proactive ones
    workaround: Workaround | None = None
    owed: tuple[Owed, ...] = ()
    asks: tuple[Ask, ...] = ()  # what we expect an answer to
    done: frozenset[str] = frozenset()  # names of its lines; dropped when it has ended for good
    sealed: bool = False

    @property
    def live(self) -> Attempt | None:
        """The live attempt, if there is one."""
        last = self.attempts[-1] if self.attempts else None
        return last if last is not None and last.live else None

    @property
    def attempt(self) -> int:
        """The number of the last attempt, 0 before the first."""
        return self.attempts[-1].n if self.attempts else 0

    @property
    def process(self) -> Process | None:
        """The process that is not yet verified gone; there is at most one [OPS-18]."""
        for attempt in reversed(self.attempts):
            if attempt.process is not None:
                return attempt.process if attempt.process.state != "gone" else None
        return None

    @property
    def barred(self) -> frozenset[str]:
        """Who is not chosen for it."""
        return self.excluded | self.silent

    def field(self, name: str) -> Any:
        """A field as it stands: a message's word as long as the file says what it said then [MEM-22]."""
        value = getattr(self.spec, name)
        for key, new, then in reversed(self.overrides):
            if key == name:
                return new if then == value else value
        return value


@dataclass(frozen=True, slots=True)
class Closed:
    """How an instruction ended."""

    at: datetime
    by: str
    reason: str
    state: str  # cancelled deferred passed


@dataclass(frozen=True, slots=True)
class Mute:
    """From `at` until `until` reminders and notifications are not sent, and not made up for: by whom, and why."""

    by: str
    at: datetime
    until: datetime
    reason: str | None = None

    def covers(self, at: datetime) -> bool:
        """Whether this instant lies in it."""
        return self.at <= at < self.until


@dataclass(frozen=True, slots=True)
class Parked:
    """Nothing is done until the cause is gone or a person decides [MEM-25]."""

    n: int
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class News:
    """Something that an executive is to hear of [EXE-7]."""

    at: datetime
    text: str


#: What of an instruction's own files must not go unsaid when it goes: its word, and where it lies [MEM-25].
PLACES = {"instruction": "instruction.yaml", "plan": "workflow/plan.yaml"}


@dataclass(frozen=True, slots=True)
class Head:
    """An instruction without its tasks."""

    id: str
    spec: InstructionSpec = field(default_factory=InstructionSpec)
    plan: Plan | None = None
    faults: tuple[Finding, ...] = ()
    first_seen: datetime | None = None
    quiet_since: datetime | None = None  # when something in the folder changed last [EXE-23]
    ours: bool = True
    # of "instruction" and "plan" what is not there, and since when; None: it lies there and could not be read yet
    missed: tuple[tuple[str, datetime | None], ...] = ()
    # from the journal
    opened_at: datetime | None = None
    created: datetime | None = None
    tier: int | None = None
    tier_why: str | None = None
    deliverable_type: str | None = None
    type_why: str | None = None
    plan_sha: str | None = None
    instruction: bool | None = None  # whether there was an instruction.yaml; None: an older journal does not say
    missing: tuple[str, ...] = ()  # of these files, what the planner was told is gone [MEM-25]
    replans: int = 0
    ready_by: str | None = None  # who sent plan_ready
    hold: Hold | None = None
    holds: int = 0
    paused: str | None = None  # who paused it
    mute: Mute | None = None  # the last one; it may be over
    closed: Closed | None = None
    parked: Parked | None = None
    parks: int = 0
    updates: int = 0
    outbox: tuple[Sending, ...] = ()  # accepted updates that are not delivered yet
    sent_updates: tuple[Update, ...] = ()
    counted: Update | None = None  # the last one that counts, by its time
    first_counted: datetime | None = None
    replies: tuple[Reply, ...] = ()  # the times that the customer waited for an answer
    replied: tuple[tuple[datetime, str | None], ...] = ()  # every customer_reply: when, and about which task
    pauses: tuple[Paused, ...] = ()
    extensions: tuple[Extension, ...] = ()
    repriced: tuple[Repriced, ...] = ()
    wrote: str | None = None  # the priority that instruction.yaml gave last; "": none; None: an older journal
    gave: tuple[tuple[str, str], ...] | None = None  # what it promised then, and whether to a customer; None: as above
    rewritten: int = 0  # how often these were edited
    warned: frozenset[str] = frozenset()  # marks of its clocks that were told or skipped
    breaches: tuple[Breach, ...] = ()
    notices: tuple[Told, ...] = ()  # proactive ones
    workaround: Workaround | None = None
    spent: tuple[tuple[str, float, int], ...] = ()  # (agent, US dollars, tokens) that its processes reported
    spent_at: datetime | None = None
    questions: int = 0  # put to us about the instruction
    executives: int = 0  # updates to the executive [EXE-7]
    executive_at: datetime | None = None
    news: tuple[News, ...] = ()  # he is to hear of
    pivots: int = 0  # changes of its plan in mid-run
    repriorities: int = 0  # changes of its priority by message
    stirred: bool = False  # something has happened since
    priority: tuple[Any, Any] | None = None  # (value, what the file said then)
    released: frozenset[str] = frozenset()  # checkpoints
    reviews: frozenset[str] = frozenset()  # checkpoints whose reviewer was asked
    delivery: Delivery = field(default_factory=Delivery)
    archive: ArchiveAsked | None = None
    incidents: tuple[Incident, ...] = ()
    owed: tuple[Owed, ...] = ()
    asks: tuple[Ask, ...] = ()  # what we expect an answer to, and that is about no task
    done: frozenset[str] = frozenset()

    @property
    def priority_now(self) -> str:
        """The priority as it stands; `medium` where nothing says otherwise [MEM-11]."""
        written = self.spec.priority
        if self.priority is not None and self.priority[1] == written:
            return str(self.priority[0])
        return written or "medium"

    @property
    def lacks(self) -> tuple[str, ...]:
        """Which of `instruction` and `plan` counted and cannot be known as long as the file is missing [MEM-25].

        Nothing is given out or handed off then: a start does not know what they said.
        """
        if not self.missed or self.opened_at is None or self.closed is not None:
            return ()
        counted = {"instruction": self.instruction is not False, "plan": self.plan_sha is not None}
        return tuple(word for word, _ in self.missed if counted[word])

    @property
    def lacking(self) -> str | None:
        """The same in words; None: nothing."""
        gone = dict(self.missed)
        said = [f"{PLACES[w]} {'is gone' if gone[w] is not None else 'cannot be read'}" for w in self.lacks]
        return f"{' and '.join(said)}: until it is back nothing is given out or handed off" if said else None

    @property
    def title(self) -> str:
        """The title, or the id where there is none."""
        return self.spec.title or self.id

    @property
    def liaison(self) -> str:
        """Who speaks with its customer [SLA-13]; in an incident who has taken that role [INC-3]."""
        last = self.incidents[-1] if self.incidents else None
        role = last.roles.get("customer_liaison") if last is not None and last.status == "open" else None
        if role is not None and role.acknowledged_at is not None:
            return role.agent
        return self.spec.liaison or LIAISON

    @property
    def waiting_reply(self) -> Reply | None:
        """The customer's reply that is not answered yet."""
        last = self.replies[-1] if self.replies else None
        return last if last is not None and last.answered is None else None


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in our inbox, read but not yet taken [MSG-1].

    `at` is its event time as far as it can be told without its subject, `seen_at` when we saw it,
    `written_at` what its `timestamp` says (None: nothing), `file_at` the file's mtime [MSG-10].
    """

    name: str
    folder: str
    sha256: str
    seen_at: datetime
    file_at: datetime
    at: datetime
    type: str = ""
    body: Mapping[str, Any] = field(default_factory=empty)
    sender: str | None = None
    instruction: str | None = None
    task: str | None = None
    attempt: int | None = None
    written_at: datetime | None = None
    fault: Finding | None = None  # it cannot be read
    warnings: tuple[Finding, ...] = ()
    files: tuple[FileFact, ...] = ()  # of the paths it names
    refusal: Finding | None = None  # found by the service: no such case, not known, …
    known: frozenset[str] = frozenset()  # of the people it names, and its sender, those who are known [MSG-6]

    @property
    def order(self) -> tuple[datetime, str, str]:
        """The order in which letters are settled, as far as it can be told without their subjects [MSG-11]."""
        return (self.at, self.name, self.folder)


_NUMBER = re.compile(r"(\d+)")


def natural(text: str) -> tuple[Any, ...]:
    """A sort key in which T2 comes before T10 [EXE-1]."""
    return tuple((1, int(p), "") if p.isdigit() else (0, 0, p) for p in _NUMBER.split(text) if p)


def owe(task: Task, *owed: Owed) -> Task:
    """The task with more owed."""
    return replace(task, owed=(*task.owed, *owed))


def still_asked(task: Task) -> tuple[Ask, ...]:
    """What is asked about a task and whose reason stands: an answer to a blocker that is gone helps nobody."""
    open_numbers = {b.n for b in (task.blocked, *task.also_blocked) if b is not None}
    return tuple(
        a for a in task.asks
        if a.lasts or (
            task.ended is None
            and (a.about != "escalation" or task.escalated is not None)
            and (a.about != "blocker" or a.facts.get("n") in open_numbers)
        )
    )  # fmt: skip


def still_asked_of_case(head: Head) -> tuple[Ask, ...]:
    """The same of the instruction itself."""
    released = [a for a in head.asks if not (a.about == "checkpoint" and a.facts.get("checkpoint") in head.released)]
    return tuple(a for a in released if head.closed is None or a.lasts)


def expected_spec(plan: Plan | None, task_id: str) -> TaskSpec:
    """What is known of a task without a file: what the plan says of it."""
    return (plan.specs.get(task_id) if plan is not None else None) or TaskSpec(task_id, title=task_id)


def lasting(done: frozenset[str]) -> frozenset[str]:
    """The names that rules still ask for when a task has ended: the others are dropped, or a case would only grow."""
    return frozenset(n for n in done if n.startswith("result ") or " held-" in n)


LIAISON = "customer-success-manager"
HOLD_AT_MOST = timedelta(hours=72)
