"""`python -m tests.demo_picture`: `docs/demo.svg`, the picture of the demo in README, drawn from what a run prints.

A still picture of a terminal as SVG, without a font of its own, so that a diff of it can be read.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "demo.svg"
COLUMNS, LINE, CHAR, EDGE, BAR = 132, 17, 7.25, 16, 30
BEFORE, GAP = 18, "   …"  # so many of the live lines are shown, then the end
_WORDS = {"closed": "#7ee787", "gate": "#79c0ff", "parked": "#ff7b72", "rejected": "#ffa657", "rework": "#ffa657"}


def recorded() -> list[str]:
    """What a run of the demo prints, without the paths of this machine."""
    done = subprocess.run([sys.executable, "-m", "executord", "demo"], cwd=ROOT / "daemon", capture_output=True,
                          text=True, check=True, timeout=300)  # fmt: skip
    text = re.sub(r"/\S*/(executord-demo[^/\s]*)", r"/tmp/executord-demo", done.stdout)
    return text.rstrip("\n").split("\n")


def chosen(lines: list[str]) -> list[str]:
    """The first live lines, and everything from the table on."""
    table = next(n for n, line in enumerate(lines) if line.startswith("instruction "))
    return ["$ make demo", *lines[:BEFORE], GAP, *lines[table - 1 :]]


def drawn(lines: list[str]) -> str:
    """The lines as an SVG."""
    width, height = round(COLUMNS * CHAR + 2 * EDGE), len(lines) * LINE + BAR + 2 * EDGE
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'role="img" aria-label="A terminal in which make demo runs">',
        "<style>text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#c9d1d9;"
        "white-space:pre}</style>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>',
        *(f'<circle cx="{EDGE + 18 * n}" cy="16" r="5" fill="{c}"/>'
          for n, c in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))),
    ]  # fmt: skip
    for number, line in enumerate(lines):
        shown = html.escape(line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…", quote=False)
        painted = re.sub(rf"\b({'|'.join(_WORDS)})\b", lambda hit: _paint(hit[1]), shown)
        bold = ' font-weight="bold"' if line.startswith(("$", "instruction ")) else ""
        out.append(f'<text x="{EDGE}" y="{BAR + EDGE + number * LINE}" xml:space="preserve"{bold}>{painted}</text>')
    return "\n".join([*out, "</svg>", ""])


def _paint(word: str) -> str:
    return f'<tspan fill="{_WORDS[word]}">{word}</tspan>'


def main() -> None:
    """Run the demo and draw it."""
    PICTURE.write_text(drawn(chosen(recorded())), encoding="utf-8")
    print(f"written: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
