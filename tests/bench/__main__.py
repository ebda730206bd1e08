"""`make bench`: measure the rows, print the table, write the JSON [PERF-1]."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Before anything of ours is imported, and for every process that is measured.
for _folder in (REPOSITORY, REPOSITORY / "daemon"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY / "daemon"), str(REPOSITORY)])

from tests.bench import burst, clocks, cycles, flood, latency, scale, start  # noqa: E402
from tests.bench.measures import Row, as_json, machine, table  # noqa: E402
from tests.bench.places import Place, Places  # noqa: E402
from tests.bench.trees import AGENTS  # noqa: E402

SCHEMA = 1


def steps(*, quick: bool, full: bool) -> dict[str, Callable[[Place], list[Row]]]:
    """Every measurement by the name that `--only` takes."""
    return {
        "latency": partial(latency.measure, quick=quick),
        "burst": partial(burst.measure, quick=quick),
        "cycles": partial(cycles.measure, quick=quick),
        "scale": partial(scale.measure, quick=quick, full=full),
        "flood": partial(flood.measure, quick=quick, full=full),
        "start": partial(start.measure, quick=quick, full=full),
        "clocks": partial(clocks.measure, quick=quick),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too; `-` for stdout only")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small numbers: whether it works, not how fast it is")
    size.add_argument("--long", "--full", dest="full", action="store_true", help="up to 100,000 tasks; takes long")
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=sorted(steps(quick=True, full=False)))
    parser.add_argument("--dir", type=Path, metavar="DIR", help="measure below this folder, on its file system")
    return parser.parse_args()


def main() -> int:
    """Exit code 0 also where a goal is not met: this measures, tests decide."""
    asked = arguments()
    began = time.perf_counter()
    facts = machine()
    places = Places(asked.dir)
    rows: list[Row] = []
    for name, measure in steps(quick=asked.quick, full=asked.full).items():
        if asked.only and name not in asked.only:
            continue
        at = time.perf_counter()
        with places.fresh() as place:
            rows += measure(place)
        print(f"{name}: {time.perf_counter() - at:.1f} s", file=sys.stderr, flush=True)
    seconds = time.perf_counter() - began
    facts["load_at_end"] = [round(load, 2) for load in os.getloadavg()]
    said = {
        "schema": SCHEMA,
        "size": "quick" if asked.quick else "long" if asked.full else "default",
        "machine": facts,
        "roster": {name: {"capacity": 0} for name in AGENTS},
        "seconds": round(seconds, 1),
        "rows": [as_json(row) for row in rows],
    }
    text = json.dumps(said, indent=1, ensure_ascii=False)
    if str(asked.json) == "-":
        print(text)
        return 0
    if asked.json is not None:
        asked.json.write_text(text + "\n", encoding="utf-8")
    print(
        f"{facts['cores']} cores, {facts['cpu']}, Python {facts['python']}, Linux {facts['kernel']}; {seconds:.0f} s\n"
    )
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
