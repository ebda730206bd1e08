"""The pages in Chromium: whether everybody can use them, and what the script does [OPS-16].

Counterpart: `test_web.py`, which needs no browser. BROWSER_SHOTS=DIR keeps a picture of each page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.test_look import Memory, run, tell_a_story
from tests.web.browser import browse, missing
from tests.web.kit import Site

pytestmark = [pytest.mark.browser, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

PHONE = {"width": 390, "height": 800}
#: One page of each kind, and one that is not there.
KINDS = {
    "board": "", "case": "case/beta-7", "broken": "case/torn-1", "with-incident": "case/inc-1",
    "task": "case/beta-7/task/C", "file": "case/acme-42/file/outputs/partial/journal.yaml", "agents": "agents",
    "incidents": "incidents", "incident": "incident/inc-inc-1-1", "sla": "sla", "none": "case/no",
}  # fmt: skip


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story of seven instructions in every state, and one with an incident."""
    told: Memory = tell_a_story(tmp_path_factory.mktemp("browser") / "Agent_Memory")
    told.put(
        "inc-1/instruction.yaml", "title: Down\npriority: critical\nincident: {severity: 1}\ncustomer: {name: Orbit}\n"
    )
    told.put("inc-1/tasks/pending/T1.yaml", "id: T1\ntitle: api error\n")
    told.put("inc-1/tasks/pending/T2.yaml", "id: T2\ntitle: tell them\ndepends_on: [T1]\n")
    for _ in range(3):  # a letter is found with the case; what it opens comes after it has settled
        told.service.everything(told.now)
        told.service.finish(told.now)
        told.now += timedelta(seconds=5)
    return told.root


@pytest.fixture(scope="module")
def site(memory: Path) -> Iterator[Site]:
    served = Site(memory)
    yield served
    served.end()


def shot(name: str) -> dict[str, str]:
    """Where the picture of a page is kept, if it is."""
    folder = os.environ.get("BROWSER_SHOTS")
    return {"shot": f"{folder}/{name}.png"} if folder else {}


@pytest.mark.spec("OPS-16")
def test_no_page_keeps_anybody_out(site, tmp_path):
    """axe finds nothing on any page, by day, by night and on a phone; no page is wider than its window; all is ours."""
    ways: dict[str, dict[str, Any]] = {
        "day": {}, "night": {"scheme": "dark"}, "phone": {"viewport": PHONE, "scheme": "dark"},
    }  # fmt: skip
    wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    visits = [
        {"url": site.url + path, "axe": True, "ask": wide, **more, **shot(f"{name}-{way}")}
        for name, path in KINDS.items() for way, more in ways.items()
    ]  # fmt: skip
    for found in browse(visits, tmp_path):
        where = found["url"]
        assert found["violations"] == [], where
        assert found["passes"] > 10, where
        assert found["answer"] is False, where
        assert found["status"] == (404 if where.endswith("/no") else 200)
        assert all(asked.startswith(site.url) for asked in found["asked"]), where
        assert [said for said in found["said"] if "404" not in said] == [], where


@pytest.mark.spec("OPS-16")
def test_the_files_of_an_export_are_the_same_pages(memory, tmp_path):
    """Opened from a disk, with style and links, and as accessible."""
    out = tmp_path / "out"
    assert run(memory, "web", "--static", str(out)).returncode == 0
    ground = "getComputedStyle(document.querySelector('header')).backgroundColor"
    pages = [f"file://{out}/{path}{'/' if path else ''}index.html" for name, path in KINDS.items() if name != "none"]
    for found in browse([{"url": page, "axe": True, "ask": ground} for page in pages], tmp_path):
        assert found["violations"] == [], found["url"]
        assert found["said"] == [], found["url"]
        assert found["answer"] == "rgb(244, 246, 249)"


@pytest.mark.spec("OPS-16")
def test_by_keyboard_one_sees_where_one_is(site, tmp_path):
    """The first thing is the way to the content, then the pages in order; each with a frame around it."""
    (found,) = browse([{"url": site.url, "keys": ["Tab", "Tab", "Tab", "Tab", "Tab"]}], tmp_path)
    assert [at["text"] for at in found["focus"]] == ["Skip to the content", "Board", "Agents", "Incidents", "SLA"]
    assert {at["outline"] for at in found["focus"]} == {"solid"}
    (found,) = browse([{"url": site.url, "keys": ["Tab", "Enter"]}], tmp_path)
    assert found["focus"][1]["id"] == "main"


@pytest.mark.spec("OPS-16")
def test_without_javascript_the_page_is_the_same(site, tmp_path):
    """Everything is there, and nothing is asked for that the script would."""
    url = site.url + "case/beta-7"
    told = "document.getElementById('live').textContent === 'Up to date by itself'"
    plain, live = browse([{"url": url, "script": False}, {"url": url, "until": told}], tmp_path)
    assert {url, f"{site.url}static/style.css"} <= set(plain["asked"])
    assert not any("live.js" in asked or "/events" in asked for asked in plain["asked"])
    assert any("/events?page=%2Fcase%2Fbeta-7" in asked for asked in live["asked"])
    assert plain["said"] == live["said"] == []


@pytest.mark.spec("OPS-16")
def test_an_open_page_brings_itself_up_to_date(memory, tmp_path):
    """What was opened stays open, the focus where it was; what goes is said to be gone, as is a server that ends."""
    copy = Path(shutil.copytree(memory, tmp_path / "Agent_Memory"))
    site = Site(copy)
    live = "document.getElementById('live').textContent"
    open_and_focus = (
        "document.getElementById('why-all').open = true; document.querySelector('main table a').focus(); "
        "window.was = document.activeElement.getAttribute('href')"
    )
    as_it_was = (
        "[document.getElementById('why-all').open, document.activeElement.getAttribute('href') === window.was, "
        "document.querySelectorAll('main').length]"
    )
    visits = [
        {
            "url": site.url + "case/acme-42", "first": open_and_focus, "signal": "edit", "ask": as_it_was,
            "until": "document.querySelector('h1').textContent.includes('Checkout is mended')",
        },
        {"url": site.url + "case/other-1", "signal": "remove", "until": f"{live} === 'This is no longer there'"},
        {"url": site.url + "sla", "signal": "end", "until": f"{live}.startsWith('Not connected')"},
    ]  # fmt: skip
    edited = "title: Checkout is mended\npriority: high\n"
    on = {
        "edit": lambda: (copy / "acme-42/instruction.yaml").write_text(edited),
        "remove": lambda: shutil.rmtree(copy / "other-1"),
        "end": site.end,
    }
    first, second, _ = browse(visits, tmp_path, on)
    assert first["answer"] == [True, True, 1]
    assert first["said"] == second["said"] == []


@pytest.mark.spec("OPS-16", "SEC-3")
def test_nothing_that_people_wrote_is_run(tmp_path):
    """Markup in titles, ids, file names and files: no dialog, no image asked for, no word of the policy needed."""
    told = Memory(tmp_path / "Agent_Memory")
    evil = '\\"><script>alert(1)</script><img src=/x onerror=alert(2)><svg onload=alert(3)>'
    told.put("a/instruction.yaml", f'title: "{evil}"\ncustomer: {{name: "{evil}"}}\n')
    told.put("a/tasks/pending/T1.yaml", f'id: T1\ntitle: "{evil}"\ndescription: "{evil}"\n')
    told.put("a/tasks/pending/T2.yaml", f'id: "T2{evil}"\ntitle: "{evil}"\ndepends_on: [T1]\n')
    told.put("a/outputs/partial/x<img src=x>.md", "<script>alert(4)</script>")
    told.begin()
    site = Site(told.root)
    paths = ("", "case/a", "case/a/task/T1", "case/a/file/outputs/partial/x%3Cimg%20src%3Dx%3E.md", "agents", "sla")
    for found in browse([{"url": site.url + path, "axe": True} for path in paths], tmp_path):
        assert found["status"] == 200
        assert found["said"] == []
        assert found["violations"] == []
        assert not any(asked.endswith("/x") for asked in found["asked"])
    site.end()
