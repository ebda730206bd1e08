"""`make bench-peers`: what others do for the same question, on this machine, in the same run.

Each peer is installed by pip into a venv that is gone afterwards; one that cannot be installed here is named with the
reason. Two questions: a due time on a business calendar, and 1,000 small tasks through a queue that keeps them in
files. Run as `python -m tests.bench.peers [--json FILE]`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TASKS = 1000

#: Prints one JSON: microseconds for one due time, Monday to Friday 9 to 17, from 1,000 starts; no pauses, no holidays.
DUE = {
    "businesstimedelta": """
import businesstimedelta as b, datetime as d, json, random, time
rule = b.Rules([b.WorkDayRule(start_time=d.time(9), end_time=d.time(17), working_days=[0, 1, 2, 3, 4])])
chance = random.Random(1)
asked = [(d.datetime(2026, 1, 5, 9) + d.timedelta(minutes=chance.randrange(2000000)), chance.randrange(1, 320))
         for _ in range(1000)]
start = time.process_time()
for at, hours in asked:
    at + b.BusinessTimeDelta(rule, hours=hours)
print(json.dumps({"us": (time.process_time() - start) * 1000}))
""",
    "business-duration": """
import datetime as d, json, random, time
from business_duration import businessDuration
chance = random.Random(1)
asked = [d.datetime(2026, 1, 5, 9) + d.timedelta(minutes=chance.randrange(2000000)) for _ in range(100)]
start = time.process_time()
for at in asked:
    businessDuration(at, at + d.timedelta(days=20), d.time(9), d.time(17), weekendlist=[5, 6], unit="hour")
print(json.dumps({"us": (time.process_time() - start) * 10000, "note": "it measures spans, it knows no due time"}))
""",
}
OURS_DUE = """
import datetime as d, json, random, sys, time
sys.path.insert(0, "daemon")
from executord.clocks import calendar_from, due
hours = {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
calendar = calendar_from({"timezone": "UTC", "weekly": hours})
chance = random.Random(1)
asked = [(d.datetime(2026, 1, 5, 9, tzinfo=d.UTC) + d.timedelta(minutes=chance.randrange(2000000)),
          chance.randrange(1, 320) * 3600) for _ in range(1000)]
for at, seconds in asked: due(calendar, at, seconds)
start = time.process_time()
for at, seconds in asked: due(calendar, at, seconds)
print(json.dumps({"us": (time.process_time() - start) * 1000}))
"""

#: Prints one JSON: tasks a second through its queue and one worker process, which writes a file for each.
QUEUES = {
    "huey": (
        """
import json, os, subprocess, sys, time
open("app.py", "w").write('''
from huey import FileHuey
huey = FileHuey("q", path="queue", use_thread_lock=False)
@huey.task()
def work(n):
    open(f"done/{n}", "w").close()
''')
os.makedirs("done")
sys.path.insert(0, ".")
import app
for n in range(TASKS): app.work(n)
start = time.perf_counter()
consumer = subprocess.Popen([sys.executable, "-m", "huey.bin.huey_consumer", "app.huey", "-w", "1",
                             "-k", "process", "-d", "0.01", "-b", "1.0"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
first = None
try:
    while len(os.listdir("done")) < TASKS and time.perf_counter() < start + 120:
        if first is None and os.listdir("done"): first = time.perf_counter()
        time.sleep(0.005)
    took = time.perf_counter() - (first or start)
    done = len(os.listdir("done"))
finally:
    consumer.kill(); consumer.wait()
print(json.dumps({"per_s": done / took, "done": done, "note": "file storage, one process; nothing durable"}))
""",
    ),
    "persist-queue": (
        """
import json, os, time
import persistqueue
os.makedirs("done")
q = persistqueue.SQLiteAckQueue("queue", auto_commit=True)
start = time.perf_counter()
for n in range(TASKS): q.put(n)
for _ in range(TASKS):
    n = q.get(); open(f"done/{n}", "w").close(); q.ack(n)
print(json.dumps({"per_s": TASKS / (time.perf_counter() - start), "done": TASKS,
                  "note": "a queue in SQLite with acknowledgement, in one process; no worker, no clocks, no checks"}))
""",
    ),
    "watchdog": (
        """
import json, os, queue, time
from watchdog.events import FileSystemEventHandler
from watchdog.observers import Observer
os.makedirs("in"); os.makedirs("done"); os.makedirs("staging")
came = queue.Queue()
class Heard(FileSystemEventHandler):
    def on_moved(self, event): came.put(event.dest_path)
observer = Observer(); observer.schedule(Heard(), ".", recursive=True); observer.start()
for n in range(TASKS): open(f"staging/{n}", "w").write("id: T\\n")
time.sleep(0.5)
start = time.perf_counter()
for n in range(TASKS): os.rename(f"staging/{n}", f"in/{n}")
done = 0
while done < TASKS:
    try: path = came.get(timeout=2)
    except queue.Empty: break
    if path.startswith("./in/"):
        with open(path) as file: file.read()
        os.rename(path, path.replace("/in/", "/done/")); done += 1
took = time.perf_counter() - start
observer.stop(); observer.join()
print(json.dumps({"per_s": done / took, "done": done, "note": "a bare loop that reads and moves; nothing durable"}))
""",
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """What came out for one peer: a number with its unit, or why there is none."""

    peer: str
    question: str
    value: float | None
    unit: str
    note: str


def measured(python: str, code: str, folder: Path) -> dict[str, object]:
    """Run a peer's script in a folder of its own."""
    done = subprocess.run(
        [python, "-c", f"TASKS = {TASKS}\n{code}"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"code {done.returncode}")
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def ask(base: Path, peer: str, question: str, unit: str, key: str, code: str) -> Found:
    """Install it, ask it; whatever stands in the way is its answer."""
    folder = base / peer
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    install = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if install.returncode:
        why = install.stderr.strip().splitlines()
        return Found(peer, question, None, unit, f"cannot be installed: {why[-1] if why else 'pip failed'}")
    work = folder / "work"
    work.mkdir()
    try:
        answer = measured(python, code, work)
    except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
        return Found(peer, question, None, unit, f"did not run: {error}")
    note = str(answer.get("note", ""))
    if answer.get("done") not in (None, TASKS):
        note = f"{answer['done']} of {TASKS} done; {note}"
    return Found(peer, question, float(str(answer[key])), unit, note)


def ours(base: Path) -> list[Found]:
    """The same two questions to us; tasks go through their whole life, durably, with answering workers."""
    due = measured(sys.executable, OURS_DUE.replace('"daemon"', repr(str(REPOSITORY / "daemon"))), base)
    out = base / "cycles.json"
    subprocess.run(
        [sys.executable, "-m", "tests.bench", "--only", "cycles", "--json", str(out)],
        cwd=REPOSITORY, capture_output=True, timeout=600, check=True,
    )  # fmt: skip
    row = json.loads(out.read_text(encoding="utf-8"))["rows"][0]
    said = f"{row['title']}; durable, verified, with SLA clocks and journal; on {row['file_system']}"
    return [
        Found("executord", "due time", float(str(due["us"])), "µs CPU", "exact, DST and holidays of the zone"),
        Found("executord", "tasks", row["ours"]["value"], "/s", said),
    ]


def main() -> int:
    """Print the table; exit code 0 also where a peer cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.peers", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the answers there too")
    asked = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="executord-peers-") as folder:
        base = Path(folder)
        found = ours(base)
        found += [ask(base, peer, "due time", "µs CPU", "us", code) for peer, code in DUE.items()]
        found += [ask(base, peer, "tasks", "/s", "per_s", code) for peer, (code,) in QUEUES.items()]
    for each in found:
        value = f"{each.value:,.1f} {each.unit}" if each.value is not None else "–"
        print(f"{each.question:9} {each.peer:18} {value:>16}  {each.note}")
    print(f"{time.perf_counter() - began:.0f} s")
    if asked.json is not None:
        rows = [{name: getattr(each, name) for name in Found.__slots__} for each in found]
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
