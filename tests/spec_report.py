"""`make spec`: which rules of the specification have a passing test, and which have none.

Counterpart: `conftest.py`, which keeps the results of each run. The rules stand in `docs/spec-ids.txt`. A rule is shown
if a test marked with its id passed in a run on the tree as it is now, and none marked with it failed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
IDS = ROOT / "docs" / "spec-ids.txt"
RESULTS = ROOT / "build" / "spec-results.json"
# What `make test` leaves out: the Makefile takes it from here.
SELECTION = "not slow and not systemd and not browser and not real_cli"
WORDS = (("failed", "failed"), ("shown", "passed"), ("skipped", "skipped"))  # verdict, outcome; the first that is seen
SIGNS = {"shown": "+", "failed": "!", "skipped": "~", "none": "-"}


@functools.cache
def known_ids() -> dict[str, str]:
    """Every id with its short title, in the order of the specification."""
    lines = IDS.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(" ") for line in lines if line.strip() and not line.startswith("#"))
    return {spec_id: title for spec_id, _, title in pairs}


def tree_hash() -> str:
    """The bytes of everything that decides how the tests end."""
    digest = hashlib.sha256()
    for top in ("daemon", "tests", "sample_memory", "systemd", "docs", "pyproject.toml", "Makefile"):
        place = ROOT / top
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0".encode(errors="surrogateescape"))
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def results() -> dict[str, dict[str, str]]:
    """The marked tests of the last runs on this tree; runs the tests first if there was no whole run."""
    for attempt in ("read", "run"):
        kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        if kept.get("tree") == tree_hash() and {SELECTION, ""} & set(kept["runs"]):
            return kept["tests"]
        if attempt == "read":
            print("no results for the tree as it is now: running the tests", file=sys.stderr)
            subprocess.run([sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", SELECTION], cwd=ROOT, check=False)
    sys.exit("no results: the tests could not be run to their end, or the tree changed meanwhile")


def verdicts(known: dict[str, str], tests: dict[str, dict]) -> dict[str, str]:
    """For each id: shown, failed, skipped or none."""
    outcomes: dict[str, set[str]] = {spec_id: set() for spec_id in known}
    for test in tests.values():
        for spec_id in test["ids"]:
            if spec_id not in known:
                sys.exit(f"a test is marked with {spec_id}, which is not in docs/spec-ids.txt")
            outcomes[spec_id].add(test["outcome"])
    return {
        spec_id: next((verdict for verdict, outcome in WORDS if outcome in seen), "none")
        for spec_id, seen in outcomes.items()
    }


def main() -> int:
    """Print the report; exit 1 if a marked test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object: id → shown|failed|skipped|none")
    arguments = parser.parse_args()
    known = known_ids()
    found = verdicts(known, results())
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        for spec_id, title in known.items():
            print(f"{SIGNS[found[spec_id]]} {spec_id:<8} {found[spec_id]:<8} {title}")
        counts = {word: list(found.values()).count(word) for word in SIGNS}
        print(
            f"\n{len(known)} rules: {counts['shown']} shown, {counts['none']} without a test, "
            f"{counts['failed']} with a failing test, {counts['skipped']} with skipped tests only"
        )
    return 1 if "failed" in found.values() else 0


if __name__ == "__main__":
    sys.exit(main())
