"""What every test shares: the marks for the specification and its report, and hypothesis' profiles.

Counterpart: `spec_report.py`, which reads the results that are written here into `build/spec-results.json`.
"""

from __future__ import annotations

import json
import os
import signal
import time
import zlib

import pytest
from hypothesis import HealthCheck, settings

from executord.remembered import forget
from tests.spec_report import RESULTS, known_ids, tree_hash

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None, print_blob=True)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A script that starts us in the background has its children ignore Ctrl-C, and they theirs: here it is pressed.
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Seconds of CPU for which each property is tried with ever new examples; 0: once, as a test [REL-10].
FUZZ_S = float(os.environ.get("EXECUTORD_FUZZ_S", "0"))
settings.load_profile("ci" if os.environ.get("CI") and not FUZZ_S else "dev")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """With `EXECUTORD_FUZZ_S` a property is called until so much CPU is spent, or three times as long by the clock."""
    if not FUZZ_S or not getattr(pyfuncitem.obj, "is_hypothesis_test", False):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    spent, began, rounds = time.process_time(), time.monotonic(), 0
    while time.process_time() - spent < FUZZ_S and time.monotonic() - began < 3 * FUZZ_S:
        pyfuncitem.obj(**given)
        forget()  # each example has a policy of its own, and thousands of their calendars would fill the machine
        rounds += 1
    examples = rounds * pyfuncitem.obj._hypothesis_internal_use_settings.max_examples
    spent = time.process_time() - spent
    print(f"FUZZED {pyfuncitem.name}: {spent:.0f} s of CPU, up to {examples} examples")
    return True


def pytest_generate_tests(metafunc):
    """A mark with an id that does not exist ends the collection; here, because xdist hides what is raised later."""
    ids = [spec_id for mark in metafunc.definition.iter_markers("spec") for spec_id in mark.args or ("(none)",)]
    if unknown := sorted(set(ids) - set(known_ids())):
        pytest.fail(f"{metafunc.definition.nodeid}: not in docs/spec-ids.txt: {', '.join(unknown)}", pytrace=False)


#: Files whose tests stand in each other's way, by what they share: mounts and loop devices; a scene, or a run, that is
#: made once for all of them.
ALONE = {
    "test_power.py": "mounts", "test_resources.py": "mounts", "test_trouble.py": "mounts",
    "test_injection.py": "scene", "test_bench_smoke.py": "bench",
}  # fmt: skip
#: `3/10`: of the sweep over all deaths of all stories the third tenth; nothing: all of it.
PART = os.environ.get("EXECUTORD_SWEEP", "")
#: `3/17`: of the properties that are tried for so many seconds every 17th, from the third on.
FUZZ_PART = os.environ.get("EXECUTORD_FUZZ", "")


def pytest_collection_modifyitems(config, items):
    """Leave out what is not of this part of the sweep, or of the fuzzing; what mounts or measures goes to one process.

    And hand the spec ids of each test to its reports, which is how they come back from xdist's workers.
    """
    if PART:
        k, of = (int(number) for number in PART.split("/"))
        out = [i for i in items if i.get_closest_marker("sweep") and zlib.crc32(i.nodeid.encode()) % of != k % of]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]
    if FUZZ_PART:
        k, of = (int(number) for number in FUZZ_PART.split("/"))
        tried = sorted((i for i in items if _is_tried(i)), key=lambda item: item.nodeid)[k % of :: of]
        config.hook.pytest_deselected(items=[item for item in items if item not in tried])
        items[:] = tried
    for item in items:
        if item.path.name in ALONE:
            item.add_marker(pytest.mark.xdist_group(ALONE[item.path.name]))
        item.user_properties += [("spec", spec_id) for mark in item.iter_markers("spec") for spec_id in mark.args]


def _is_tried(item):
    """Whether it lasts as long as `EXECUTORD_FUZZ_S` says: a property, and what hands that on to a fuzzer."""
    return getattr(item.obj, "is_hypothesis_test", False) or "atheris" in item.name


class SpecResults:
    """Collects, in the controlling process only, how each marked test ended, and keeps it for `make spec`."""

    def __init__(self, tree: str) -> None:
        self.tree = tree
        self.tests: dict[str, dict] = {}
        self.uncollected = False

    def pytest_collectreport(self, report):
        """What could not be collected was not run: such a run says nothing about the rules."""
        self.uncollected |= report.failed

    def pytest_runtest_logreport(self, report):
        """A test counts as passed only if its call passed and neither setup nor teardown failed."""
        ids = sorted({value for name, value in report.user_properties if name == "spec"})
        if not ids:
            return
        seen = self.tests.setdefault(report.nodeid, {"ids": ids, "outcome": "passed"})
        if report.failed or (report.skipped and seen["outcome"] != "failed"):
            seen["outcome"] = report.outcome

    def pytest_sessionfinish(self, session, exitstatus):
        """Add to what earlier runs on the same tree found; a run on another tree begins anew."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if not ended or self.uncollected or session.config.option.collectonly:
            return
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        if kept.get("tree") != self.tree:
            kept = {"tree": self.tree, "runs": [], "tests": {}}
        option = session.config.option
        partial = bool(option.file_or_dir or option.keyword or option.maxfail or getattr(option, "lf", False))
        if not partial and option.markexpr not in kept["runs"]:
            kept["runs"].append(option.markexpr)
        kept["tests"].update(self.tests)
        RESULTS.parent.mkdir(exist_ok=True)
        aside = RESULTS.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")
        aside.replace(RESULTS)


def pytest_configure(config):
    """Under xdist the workers run the tests and the controller sees every report."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(SpecResults(tree_hash()), "spec-results")
