"""`executord web` from outside: what it shows, what it refuses, and that it harms nobody [OPS-16].

Counterpart: `test_browser.py`, the same in Chromium. Each server is a real process on a free port of the loopback.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from executord.clock import SetClock
from executord.errors import CannotWrite
from executord.files.disk import exchange
from executord.files.store import Store
from executord.policy import make_policy
from executord.settings.masking import veil
from executord.web import addresses, graph
from executord.web import export as export_module
from executord.web.app import HEADERS, MOST_WATCHERS
from executord.web.lookout import AGING, Lookout
from tests.real.kit import INBOX, Tree
from tests.test_look import Memory, environment, run, snapshot, tell_a_story
from tests.web.kit import Seen, Site, crawl, watched

ROOT = Path(__file__).parent.parent.parent
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{ 7919*7907 }}"


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    """Seven instructions in every state, a daemon that is down; whatever is shown of them, nothing in it changes."""
    told = tell_a_story(tmp_path_factory.mktemp("web") / "Agent_Memory")
    before = snapshot(told.root)
    yield told
    assert snapshot(told.root) == before


@pytest.fixture(scope="module")
def site(memory: Memory) -> Iterator[Site]:
    served = Site(memory.root)
    yield served
    code, said = served.end()
    assert (code, said) == (0, "")


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[str, Seen]:
    return crawl(site)


@pytest.fixture
def copy(memory: Memory, tmp_path: Path) -> Path:
    return Path(shutil.copytree(memory.root, tmp_path / "Agent_Memory"))


@pytest.fixture
def serve() -> Iterator[object]:
    """Servers that end with the test."""
    begun: list[Site] = []

    def begin(root: Path, *args: str, **more: str) -> Site:
        begun.append(Site(root, *args, **more))
        return begun[-1]

    yield begin
    for each in begun:
        each.end()


# --- what is shown ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-16")
def test_every_page_is_reached_from_the_board_and_whole(pages):
    """A language, a title, one main part, one first heading, tables with captions and scopes; and nothing from afar."""
    assert {"/", "/agents", "/incidents", "/sla", "/case/beta-7", "/case/beta-7/task/C"} <= pages.keys()
    assert "/case/acme-42/file/tasks/pending/T3.yaml" in pages
    for path, page in pages.items():
        assert page.all("html") == [{"lang": "en"}], path
        for tag in ("main", "h1", "nav"):
            assert len(page.all(tag)) == 1, (path, tag)
        assert len(page.all("table")) == len(page.all("caption")), path
        assert all(cell.get("scope") in ("row", "col") for cell in page.all("th")), path
        assert not [a for _, a in page.tags if "style" in a or any(name.startswith("on") for name in a)], path
        assert [a["src"] for a in page.all("script")] == ["/static/live.js"], path
        sources = [str(a.get(key)) for _, a in page.tags for key in ("src", "href", "action") if key in a]
        assert all(source.startswith(("/", "#")) and not source.startswith("//") for source in sources), path
        assert not page.all("form"), path


@pytest.mark.spec("OPS-16", "OPS-4")
def test_the_board_says_how_everything_stands(pages):
    """Cases by slack, clocks, silence debt, blockers, what would free what, and that the daemon is down."""
    board = pages["/"]
    assert "The daemon is not running." in board.text
    for said in (
        "Slack", "Silence debt", "Blockers (1)", "technical dependency", "acme-42 Checkout fails", "breached",
        "unblocked", "T2 is held by technical-writer, not by chat-support-specialist", "notes.txt", "not ours",
        "'soonish' is not a duration", "it depends on nobody-knows",
    ):  # fmt: skip
        assert said in board.text, said
    order = [a for a in board.links() if a.startswith("/case/") and a.count("/") == 2]
    assert order.index("/case/acme-42") < order.index("/case/full-1") < order.index("/case/new-1")
    assert all("The daemon is not running." in page.text for path, page in pages.items() if "/file/" not in path)


@pytest.mark.spec("OPS-16")
def test_a_case_shows_its_graph_clocks_gate_files_timeline_and_why(pages):
    """The graph as a drawing, and the same in the table; each task has a page of its own."""
    page = pages["/case/beta-7"]
    (drawing,) = page.all("svg")
    assert drawing["role"] == "img"
    assert len([a for a in page.all("g") if "node" in str(a["class"])]) == 7
    for said in (
        "beta-7 Standing still", "Which task comes after which", "review-1", "on hold", "Gate: not ready",
        "customer communication requirements met", "why is it executing?", "assign A a1", "tasks/in_progress/A.yaml",
        "named in the task; load 0 of 3", "escalate blocker A #1 level-2",
    ):  # fmt: skip
        assert said in page.text, said
    task = pages["/case/beta-7/task/C"]
    assert "it depends on A, which is blocked" in task.text
    assert "/case/beta-7/task/A" in task.links()
    assert "account-manager" in pages["/agents"].text
    assert "full-1/W1 assigned" in pages["/agents"].text
    assert "ever 8 0 15 0" in pages["/sla"].text
    assert "There are no incidents." in pages["/incidents"].text


@pytest.mark.spec("OPS-16", "REL-4")
def test_a_broken_case_is_shown_as_broken(pages):
    """The others are as they are."""
    assert "parked" in pages["/case/torn-1"].text
    assert "did not find expected node content" in pages["/case/torn-1"].text
    assert "REL-4" in pages["/case/torn-1"].text


@pytest.mark.spec("OPS-16", "INC-5")
def test_incidents_have_pages(tmp_path, serve):
    """Roles, timeline, and whether its chain holds."""
    told = Memory(tmp_path / "Agent_Memory")
    told.put("inc-1/instruction.yaml", "title: Down\npriority: critical\nincident: {severity: 1}\n")
    told.put("inc-1/tasks/pending/T1.yaml", "id: T1\ntitle: api error\n")
    told.begin()
    told.service.finish(told.now)
    site = serve(told.root)
    assert "/incident/inc-inc-1-1" in Seen(site.ask("/incidents")[2]).links()
    text = Seen(site.ask("/incident/inc-inc-1-1")[2]).text
    assert "The chain holds." in text
    assert "commander" in text
    assert "severity 1, open" in Seen(site.ask("/case/inc-1")[2]).text
    assert site.ask("/incident/inc-1")[0] == 404


# --- it only reads ----------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-16")
def test_it_opens_nothing_for_writing_and_changes_nothing(memory, tmp_path, serve):
    """Noted by Python itself at every open; the tree is the same byte for byte, with its times and inodes."""
    before = snapshot(memory.root)
    noting = watched(tmp_path)
    control = [sys.executable, "-c", "import os; open('x', 'w').close(); os.mkdir('y'); open('x').close()"]
    subprocess.run(control, env=os.environ | noting, cwd=tmp_path, check=True)
    assert len((tmp_path / "writes").read_text().splitlines()) == 2
    (tmp_path / "writes").unlink()
    site = serve(memory.root, **noting)
    crawl(site)
    watcher = site.watch()
    watcher.next()
    watcher.close()
    assert site.end()[0] == 0
    written = [line for line in (tmp_path / "writes").read_text().splitlines() if "__pycache__" not in line]
    assert [line for line in written if os.devnull not in line] == []
    assert snapshot(memory.root) == before


@pytest.mark.spec("OPS-16")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
def test_only_get_and_head_are_answered(site, method):
    """405 for all else, on pages, files and events."""
    for path in ("/", "/case/beta-7", "/static/style.css", "/events"):
        status, headers, body = site.ask(path, method)
        assert status == 405
        assert set(headers["allow"].split(", ")) == {"GET", "HEAD"}
        assert "Traceback" not in body
    status, headers, body = site.ask("/", "HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 1000


@pytest.mark.spec("OPS-16")
def test_every_answer_carries_the_strict_headers(site):
    """Pages, files, errors and refusals alike: a strict policy, no cookie, nothing kept, no name of the server."""
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    asked = [("/", "GET", {}), ("/no", "GET", {}), ("/", "POST", {}), ("/static/live.js", "GET", {}),
             ("/", "GET", {"Host": "evil.example"}), ("/static/no", "GET", {})]  # fmt: skip
    for path, method, more in asked:
        _, headers, _ = site.ask(path, method, **more)
        for name, value in HEADERS.items():
            assert headers[name.lower()] == value, path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not headers.keys() & {"set-cookie", "server", "access-control-allow-origin"}
        assert "max-age" in headers["cache-control"] or headers["cache-control"] == "no-store"


# --- enemies ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-16")
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:80", 200), ("LOCALHOST", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("localhost.evil.example:80", 421), ("", 421),
        ("[", 421), ("10.0.0.1", 421),
    ],
)  # fmt: skip
def test_a_name_that_is_not_the_loopbacks_is_refused(site, host, status):
    """DNS rebinding: a page of another can make a browser ask us, but only by its own name."""
    assert site.ask("/", Host=host)[0] == status


@pytest.mark.spec("OPS-16")
def test_a_host_must_be_named_once(site, copy, serve):
    """None and two are refused; --allow-host lets one more in."""
    assert site.raw(b"GET / HTTP/1.0\r\n\r\n").split()[1] == b"421"
    assert site.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\nConnection: close\r\n\r\n").split()[1] in (
        b"400",
        b"421",
    )
    other = serve(copy, "--allow-host", "Desk.example")
    assert other.ask("/", Host="desk.example:8614")[0] == 200
    assert other.ask("/", Host="localhost")[0] == 200
    assert other.ask("/", Host="evil.example")[0] == 421


@pytest.mark.spec("OPS-16", "SEC-1")
@pytest.mark.parametrize(
    "path",
    [
        "/case/no", "/case/", "/case", "/case/..", "/case/../../etc", "/case/%2e%2e/x", "/case/_communication",
        "/case/beta-7/task/no", "/case/beta-7/task/", "/case/beta-7/file/", "/case/beta-7/file/../../etc/passwd",
        "/case/beta-7/file/%2e%2e%2fx.yaml", "/case/beta-7/file/..%2f..%2f..%2fetc%2fpasswd.yaml",
        "/case/beta-7/file/outputs/partial/.x-1.yaml", "/case/beta-7/file/tasks", "/case/beta-7/file/%00.yaml",
        "/case/beta-7/file/tasks//pending/A.yaml", "/case/beta-7%2ftasks/file/pending/A.yaml", "/static/../app.py",
        "/static/%2e%2e/app.py", "/static/", "/%ff%fe", "/case/%ed%a0%80", "//evil.example/", "/incident/", "/x" * 900,
        "/case/torn-1/task/X1", "/events/x",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_and_nothing_more(site, path):
    """Ids and paths of every kind; no traceback, no echo of a path outside."""
    status, _, body = site.ask(path)
    assert status == 404
    assert "Traceback" not in body
    assert "root:" not in body


def test_a_request_without_end_is_not_read(site):
    """16 KiB of head; then it is refused, and others are answered."""
    answer = site.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 60_000)
    assert answer == b"" or answer.split()[1] in (b"400", b"431")
    assert site.ask("/agents")[0] == 200


@pytest.mark.spec("OPS-16", "SEC-3")
def test_what_people_wrote_is_text_and_never_markup(tmp_path, serve):
    """Titles, ids, names, reasons, customers, file names and files full of HTML."""
    told = Memory(tmp_path / "Agent_Memory")
    quoted = json.dumps(EVIL)
    folder = "a<b>'\"&c"
    told.put(f"{folder}/instruction.yaml", f"title: {quoted}\ncustomer: {{name: {quoted}}}\ntags: [{quoted}]\n")
    told.put(f"{folder}/tasks/pending/T1.yaml", f"id: {quoted}\ntitle: {quoted}\ndescription: {quoted}\n")
    told.put(f"{folder}/tasks/pending/T2.yaml", f"id: a/../b\ntitle: {quoted}\ndepends_on: [{quoted}]\n")
    told.put(f"{folder}/outputs/partial/x<img>.md", f"# {EVIL}\n")
    told.put("b/instruction.yaml", f"title: {quoted}\ndeliverable_type: {quoted}\nincident: true\npriority: critical\n")
    told.put("b/tasks/pending/T1.yaml", f"id: T1\ntitle: {quoted}\n")
    told.put(f"{INBOX}/{EVIL.replace('/', '')}/x.yaml", "type: x\n")
    told.begin()
    told.say("bad.yaml", f"type: {quoted}\nfrom: {quoted}\ninstruction_id: b\n")
    told.say("stop.yaml", f"type: hold\nfrom: planner\ninstruction_id: b\nreason: {quoted}\n")
    site = serve(told.root)
    found = crawl(site)
    assert any(EVIL in page.text for page in found.values())
    assert len(found) > 12
    for path, page in found.items():
        assert [a["src"] for a in page.all("script")] == ["/static/live.js"], path
        assert not page.all("img"), path
        assert not page.all("b"), path
        assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)], path
        assert str(7919 * 7907) not in page.text, path
    out = tmp_path / "out"
    assert run(told.root, "web", "--static", str(out)).returncode == 0
    for file in out.rglob("*.html"):
        assert not Seen(file.read_text()).all("script")


@pytest.mark.spec("OPS-16", "SEC-0")
def test_files_go_through_the_gate_and_secrets_are_masked(copy, tmp_path, serve):
    """Links, pipes, folders that are links, files that are too long or no text, and what looks secret."""
    outside = tmp_path / "outside.yaml"
    outside.write_text("sesame: open\n")
    outputs = copy / "acme-42/outputs"
    (outputs / "link.yaml").symlink_to(outside)
    (outputs / "away").symlink_to(tmp_path)
    os.mkfifo(outputs / "pipe.yaml")
    (outputs / "long.md").write_text("x" * (256 * 1024 + 1))
    (outputs / "picture.png").write_bytes(b"\x89PNG")
    (outputs / "latin.md").write_bytes(b"caf\xe9 <b>\n")
    (outputs / "keys.yaml").write_text(
        "host: a\npassword: hunter2\nsmtp:\n  api_key: |\n    hunter3\n    more hunter3\n  port: 25\n"
        "secrets:\n- hunter4\nurl: https://anna:hunter5@host/x\nflow: {token: hunter6, a: 1}\ntokens: 12\n"
    )
    site = serve(copy)
    base = "/case/acme-42/file/outputs"
    listed = Seen(site.ask("/case/acme-42")[2])
    assert "outputs/link.yaml a link, which is not followed" in listed.text
    assert "outputs/pipe.yaml no regular file" in listed.text
    assert f"{base}/picture.png" not in listed.links()
    for name in ("link.yaml", "pipe.yaml", "away/outside.yaml", "picture.png"):
        status, _, body = site.ask(f"{base}/{name}")
        assert status in (200, 404)
        assert "sesame" not in body
    assert "at most 262144 are read" in site.ask(f"{base}/long.md")[2]
    assert "caf\\xe9 &lt;b&gt;" in site.ask(f"{base}/latin.md")[2]
    text = Seen(site.ask(f"{base}/keys.yaml")[2]).text
    assert "hunter" not in text
    assert "host: a password: *** smtp: api_key: *** port: 25 secrets: *** url: https://***@host/x" in text
    assert "flow: {token: ***, a: 1} tokens: 12" in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a: b", "a: b"), ("- password: x\n  user: y", "- password: ***"), ('{"api_key": "a\\"b", "n": 1}', None),
        ("**Password:** x", None), ("export TOKEN=abc def", "export TOKEN= ***"), ("plain words", "plain words"),
        ("private_key: >-\n  one\n\n  two\nnext: 1", "private_key: ***\nnext: 1"),
        ("Authorization: Bearer abc", "Authorization: ***"), ("password_file: /etc/x", "password_file: /etc/x"),
    ],
)  # fmt: skip
def test_the_veil_hides_values_and_nothing_else(said, shown):
    """By the same pattern of keys as in the log and in `config show`."""
    if shown is not None:
        assert veil(said) == shown
    else:
        assert "a\\" not in veil(said)
        assert " x" not in veil(said)


# --- changes ----------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-16")
def test_watchers_are_told_when_their_page_has_changed(copy, serve):
    """Each of its own page; a page that goes ends its stream."""
    site = serve(copy)
    board, other, gone = site.watch("/"), site.watch("/case/beta-7"), site.watch("/case/other-1")
    first = board.next()
    assert gone.next() != other.next()
    assert f'data-print="{first}"' in site.ask("/")[2]
    (copy / "acme-42/instruction.yaml").write_text("title: Checkout is mended\npriority: high\n")
    shutil.rmtree(copy / "other-1")
    second = board.next()
    assert second != first
    assert "Checkout is mended" in site.ask("/")[2]
    assert gone.next() == "gone"
    assert site.ask("/case/other-1")[0] == 404
    for each in (board, other, gone):
        each.close()
    assert site.ask("/events?page=/case/no")[0] == 404


@pytest.mark.spec("OPS-16")
def test_the_number_of_watchers_is_bounded_and_slow_ones_hold_up_nobody(copy, serve):
    """The next one is refused and sees the pages all the same; who goes makes room; SIGTERM ends all at once."""
    site = serve(copy)
    watchers = [site.watch() for _ in range(MOST_WATCHERS)]
    assert {each.status for each in watchers} == {200}
    status, headers, _ = site.ask("/events")
    assert status == 503
    assert headers["retry-after"] == "60"
    began = time.monotonic()
    assert site.ask("/")[0] == 200
    assert time.monotonic() - began < 10
    watchers.pop().close()
    deadline = time.monotonic() + 20
    while (extra := site.watch()).status == 503 and time.monotonic() < deadline:
        extra.close()
        time.sleep(0.2)
    assert extra.status == 200
    began = time.monotonic()
    assert site.end() == (0, "")
    assert time.monotonic() - began < 20


@pytest.mark.spec("OPS-16")
def test_who_is_slow_holds_up_nobody(copy, serve):
    """Thirty who do not read what they asked for, thirty who never finish asking: others are answered, and it ends."""
    (copy / "acme-42/outputs/partial/long.md").write_text("x" * 250_000)
    site = serve(copy)
    whole = b"GET /case/acme-42/file/outputs/partial/long.md HTTP/1.1\r\nHost: localhost\r\n\r\n"
    slow = []
    for said in (whole, whole[:30]):
        for _ in range(30):
            each = socket.socket()
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            each.connect(site.address)
            each.sendall(said)
            slow.append(each)
    began = time.monotonic()
    for path in ("/", "/agents", "/case/acme-42/file/outputs/partial/long.md"):
        assert site.ask(path)[0] == 200
    assert time.monotonic() - began < 15
    began = time.monotonic()
    assert site.end()[0] == 0
    assert time.monotonic() - began < 20
    for each in slow:
        each.close()


@pytest.mark.spec("OPS-16")
def test_the_pages_follow_a_daemon_at_work(tmp_path, serve):
    """It runs beside a real daemon, says so, shows what comes, and says when it has gone."""
    tree = Tree(tmp_path, {"settle": "0.1 seconds"})
    tree.start()
    site = serve(tree.root)
    assert "The daemon runs, pid" in Seen(site.ask("/")[2]).text
    watcher = site.watch()
    print_ = watcher.next()
    tree.case("live-1", ["T1"])
    tree.task("live-1", "T1", "id: T1\ntitle: api error\n")
    tree.until(lambda: "executing" in Seen(site.ask("/case/live-1")[2]).text, "the case is not shown")
    assert watcher.next() != print_
    tree.kill()
    deadline = time.monotonic() + 20
    while "The daemon is not running." not in site.ask("/")[2]:
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.spec("OPS-16", "PERF-4")
def test_only_what_has_changed_is_read_again(copy, monkeypatch):
    """A look at once after the last reads nothing; one after a change reads that case; the time alone reads none."""
    loaded: list[str] = []
    load = Store.load
    monkeypatch.setattr(
        Store, "load", lambda self, case_id, *a, **k: (loaded.append(case_id), load(self, case_id, *a, **k))[1]
    )
    from tests.test_look import START

    clock = SetClock(START)
    lookout = Lookout(str(copy), make_policy(), clock)
    assert lookout.look()
    assert "beta-7" in loaded
    loaded.clear()

    def later(seconds: float) -> bool:
        clock.set(clock.now() + type(AGING)(seconds=seconds))
        return lookout.look()

    assert not later(0.5)
    assert not later(1)
    (copy / "acme-42/tasks/pending/T3.yaml").write_text("id: T3\ntitle: changed in place\n")
    assert later(1)
    assert loaded == ["acme-42"]
    assert lookout.case("acme-42")["tasks"][2]["title"] == "changed in place"
    kept = lookout.case("beta-7")
    shutil.rmtree(copy / "hold-1")
    assert later(1)
    assert "hold-1" not in lookout.ids()
    assert lookout.case("beta-7") is kept
    loaded.clear()
    assert later(AGING.total_seconds() + 1)
    assert loaded == ["torn-1"]  # what could not be read is tried again
    assert lookout.case("beta-7") is not kept


# --- as files ---------------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-16", "CON-18")
def test_the_same_pages_as_files(memory, tmp_path):
    """Every link leads to a file that is there, from wherever the folder lies; no script; nothing is left beside it."""
    out = tmp_path / "deep/out"
    done = run(memory.root, "web", "--static", str(out), "--json")
    assert done.returncode == 0, done.stderr
    files = list(out.rglob("*.html"))
    assert json.loads(done.stdout) == {"schema_version": 1, "path": str(out), "pages": len(files)}
    for file in files:
        seen = Seen(file.read_text())
        for target in [*seen.links(), *(str(a["href"]) for a in seen.all("link"))]:
            if not target.startswith("#"):
                assert (file.parent / unquote(target)).resolve().is_file(), (file, target)
        assert not seen.all("script")
    assert "/".join(("case", "beta-7", "task", "C", "index.html")) in {str(f.relative_to(out)) for f in files}
    assert run(memory.root, "web", "--static", str(out)).returncode == 0  # an older export is replaced
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    assert run(memory.root, "web", "--static", str(tmp_path / "mine")).returncode == 73
    assert run(memory.root, "web", "--static", str(tmp_path / "mine/letter.txt")).returncode == 73
    assert run(memory.root, "web", "--static", str(memory.root / "out")).returncode == 2
    assert run(memory.root, "web", "--static", str(out), "--port", "1").returncode == 2


class Dying:
    """In a forked child: counts what it changes on the disk, and dies before the k-th change."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0
        sys.addaudithook(self._hears)

    def _hears(self, event: str, args: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_CREAT)
        if writes or event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            self.change()

    def change(self) -> None:
        """One more."""
        self.seen += 1
        if self.seen == self.at:
            os._exit(9)


def dies_at(k: int, work: Callable[[], object], tally: Path, *, swaps: bool) -> bool:
    """Whether this work, in a child, has come to its k-th change, and died of it."""
    pid = os.fork()
    if pid == 0:
        dying = Dying(k)

        def swapped(one: str, other: str) -> bool:
            dying.change()
            done = swaps and exchange(one, other)
            dying.change()
            return done

        export_module.exchange = swapped
        work()
        tally.write_text(str(dying.seen - 1), encoding="utf-8")
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


@pytest.mark.spec("OPS-16")
@pytest.mark.parametrize("swaps", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_an_export_that_dies_leaves_a_whole_one_and_nothing_for_ever(tmp_path, monkeypatch, *, there, swaps):
    """Before whatever change it dies: where folders can be swapped the older export never leaves its place; where they
    cannot, the next export puts one back before it does anything else. What was left beside it is then gone.
    """
    monkeypatch.setattr(export_module.Pages, "every", lambda _: [(), ("agents",)])  # two pages die as well as hundreds
    told = Memory(tmp_path / "Agent_Memory")
    told.put("acme-1/instruction.yaml", "title: x\n")
    told.put("acme-1/tasks/pending/T1.yaml", "id: T1\ntitle: x\n")
    site, out, tally = tmp_path / "site", tmp_path / "site/out", tmp_path / "tally"
    foreign = site / ".executord-web-mine.part"
    work = partial(export_module.export, str(told.root), make_policy(), str(out), list)

    def begun() -> None:
        shutil.rmtree(site, ignore_errors=True)
        foreign.mkdir(parents=True)
        if there:
            work()

    def whole() -> bool:
        return {str(p.relative_to(out)) for p in out.rglob("*")} == names

    begun()
    work()
    names = {str(p.relative_to(out)) for p in out.rglob("*")}
    begun()
    assert not dies_at(0, work, tally, swaps=swaps)
    count = int(tally.read_text(encoding="utf-8"))
    assert count > 8
    absent = 0
    for k in range(1, count + 1):
        begun()
        assert dies_at(k, work, tally, swaps=swaps), k
        absent += not out.exists()
        assert whole() or not (there and swaps), k
        with monkeypatch.context() as patched:
            patched.setattr(export_module, "_write", raises_full)
            with pytest.raises(CannotWrite):
                work()
        assert whole() or (not there and not out.exists()), k
        assert {p.name for p in site.iterdir()} <= {"out", foreign.name}, k
        work()
        assert whole(), k
    assert absent or (there and swaps)
    assert foreign.is_dir()


def raises_full(*_: object) -> int:
    """The disk is full."""
    raise OSError(errno.ENOSPC, "no space left")


@pytest.mark.spec("OPS-16")
def test_an_export_at_work_is_left_alone_by_another(tmp_path, monkeypatch):
    """Two at once, at one place: both come to their end, one whole export lies there, and nothing beside it."""
    told = Memory(tmp_path / "Agent_Memory")
    told.put("acme-1/instruction.yaml", "title: x\n")
    out = tmp_path / "site/out"
    write, inner = export_module._write, []

    def writes(*given: Any) -> int:
        monkeypatch.setattr(export_module, "_write", write)
        inner.append(export_module.export(str(told.root), make_policy(), str(out), list))
        return write(*given)

    monkeypatch.setattr(export_module, "_write", writes)
    assert [export_module.export(str(told.root), make_policy(), str(out), list)] == inner
    assert [p.name for p in out.parent.iterdir()] == ["out"]


@pytest.mark.spec("OPS-16")
def test_an_export_goes_where_a_link_leads(memory, tmp_path):
    """The link stays, and what it leads to is replaced."""
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    for _ in range(2):
        assert run(memory.root, "web", "--static", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real/index.html").is_file()
    assert {p.name for p in tmp_path.iterdir()} == {"out", "real"}


# --- how it is called -------------------------------------------------------------------------------------------------


@pytest.mark.spec("OPS-3", "CON-18")
def test_without_the_extra_it_is_named(memory, tmp_path):
    """Only `web` needs it, and says how to get it: 78."""
    code = "import sys; sys.modules[{!r}] = None; from executord.cli import main; main(sys.argv[1:])"
    for module, args in (("starlette", ()), ("uvicorn", ()), ("jinja2", ()), ("jinja2", ("--static", "x"))):
        done = subprocess.run(
            [sys.executable, "-c", code.format(module), "--json", "--memory", str(memory.root), "web", *args],
            capture_output=True, text=True, env=environment(memory.root), cwd=tmp_path, check=False,
        )  # fmt: skip
        assert done.returncode == 78
        error = json.loads(done.stdout)["error"]
        assert error["code"] == 78
        assert "the extra `web`" in error["message"]
        assert "executord[web]" in error["fix"]
        assert "executord[web]" in done.stderr
    probe = (
        "import sys; from executord.cli import load; load(); from executord import loop; "
        "print([m for m in ('starlette', 'uvicorn', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, env=environment(memory.root), check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.spec("OPS-3")
def test_the_tools_hold_what_the_extra_holds():
    """What `make test` installs is what `executord[web]` would."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["project"]["optional-dependencies"]["web"]) <= set(project["dependency-groups"]["dev"])


@pytest.mark.spec("CON-18")
def test_exit_codes(site, memory, tmp_path):
    """66 no memory, 75 the port is held, 2 what cannot be an address."""
    port = str(site.address[1])
    assert run(tmp_path / "no", "web").returncode == 66
    held = run(memory.root, "web", "--port", port)
    assert held.returncode == 75
    assert f"127.0.0.1:{port}" in held.stderr
    assert run(memory.root, "web", "--port", "70000").returncode == 2
    assert run(memory.root, "web", "--host", "no such host").returncode == 2
    assert run(memory.root, "web", "--host", "192.0.2.1", "--port", "0").returncode == 2


@pytest.mark.spec("OPS-11", "OPS-16")
def test_a_socket_that_systemd_has_opened_is_taken(memory):
    """LISTEN_FDS for our own pid: descriptor 3; for another's it is none of ours."""
    held = socket.create_server(("127.0.0.1", 0))
    port = held.getsockname()[1]
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
        "os.environ['LISTEN_FDS'] = '1'; "
        "os.execv(sys.executable, [sys.executable, '-m', 'executord', '--json', *sys.argv[2:]])"
    )

    def call(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", script, str(held.fileno()), "--memory", str(memory.root), "web", *args],
            pass_fds=[held.fileno()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(memory.root),
        )  # fmt: skip

    refused = call("--port", "0")
    refused.communicate(timeout=60)
    assert refused.returncode == 2
    process = call()
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    assert said["url"] == f"http://127.0.0.1:{port}/"
    asked = Site.__new__(Site)
    asked.address = ("127.0.0.1", port)
    assert asked.ask("/agents")[0] == 200
    assert asked.ask("/agents", Host="evil.example")[0] == 421
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0
    held.close()


# --- on paper ---------------------------------------------------------------------------------------------------------


def test_the_graph_puts_each_task_to_the_right_of_what_it_comes_after():
    """Also with a ring in it; without lines, or with too many tasks, there is nothing to draw."""
    drawing = graph.draw(["a", "b", "c", "d"], {"b": ["a"], "c": ["a", "b", "x"], "d": ["d"]})
    assert drawing is not None
    at = {node.task: node for node in drawing.nodes}
    assert at["a"].x < at["b"].x < at["c"].x
    assert at["d"].x == at["a"].x
    assert len(drawing.paths) == 3
    assert all(n.x + graph.WIDTH <= drawing.width and n.y + graph.HEIGHT <= drawing.height for n in drawing.nodes)
    ring = graph.draw(["a", "b"], {"a": ["b"], "b": ["a"]})
    assert ring is not None
    assert len(ring.paths) == 2
    assert graph.draw(["a", "b"], {}) is None
    many = [str(k) for k in range(graph.MOST + 1)]
    assert graph.draw(many, {"1": ["0"]}) is None


@pytest.mark.parametrize(
    "name", ["acme-42", "a b", "a/../b", "ü%2f", ".x", "x" * 400, "a'\"<>", "\udcff", chr(0xD800), "?#"]
)
def test_an_id_of_any_kind_is_one_segment(name):
    """As an address and as a folder; the address leads back to it."""
    link = addresses.Served().link("case", name)
    assert urlsplit(urljoin("http://h/x/", link)).netloc == "h"
    if name != chr(0xD800):
        assert addresses.read(link.encode()) == ("case", name)
    place = addresses.place(("case", name))
    assert place.count("/") == 2
    assert len(place.split("/")[1]) <= 200
    assert not place.split("/")[1].startswith(".")
    way = addresses.Filed(("sla",)).link("case", name)
    assert unquote(urlsplit(way).path) == f"../{place}"
