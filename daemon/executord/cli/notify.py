"""`notify test`: whether what is configured under `channels` and `notify` really carries [OPS-15].

Counterpart: `channels/`, which carry. One try each, here and now; the daemon need not run, its queue is not touched.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from executord.channels import NotCarried, Parcel, open_channel
from executord.cli.boards import table
from executord.cli.frame import frame
from executord.errors import NotFound
from executord.settings import ChannelRow, Settings
from executord.updates import UPDATE_CONTENTS
from executord.values import stamp

notify = typer.Typer(help="Notifications of operators, and channels to customers.", no_args_is_help=True)


@notify.command("test")
def try_out(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME…]", help="Only these; else all.")] = None,
    to: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where a channel to customers sends its test.")
    ] = None,
) -> None:
    """Send a test through every channel that is configured."""
    here = frame(context)
    found = list(_rows(here.settings, names or []))
    if not found:
        raise NotFound("no channel is configured", fix="add `channels:` or `notify:`; see `executord config generate`")
    results = [_try(section, name, row, to, here.now) for section, name, row in found]
    here.give({"results": results}, lambda: _lines(results))
    if any(each["outcome"] == "failed" for each in results):
        raise typer.Exit(1)


def _rows(settings: Settings, names: list[str]) -> Iterator[tuple[str, str, ChannelRow]]:
    every = [("channels", n, row) for n, row in settings.channels.items()]
    every += [("notify", n, row) for n, row in settings.notify.items()]
    unknown = sorted(set(names) - {name for _, name, _ in every})
    if unknown:
        known = ", ".join(dict.fromkeys(name for _, name, _ in every)) or "none"
        raise NotFound(f"there is no channel {unknown[0]!r}", fix=f"configured are: {known}")
    yield from (each for each in every if not names or each[1] in names)


def _try(section: str, name: str, row: ChannelRow, to: str | None, now: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"section": section, "name": name, "type": row.type, "outcome": "delivered", "said": None}
    mail = row.type.lower() in ("email", "mail", "smtp")
    if mail and not row.to and to is None:
        return result | {"outcome": "skipped", "said": "it sends to the customer's contact: give --to ADDRESS"}
    at = now()
    text = "This is a test of executord. Nothing needs to be done."
    facts: dict[str, Any] = {
        "event": "test", "title": "executord: test", "text": text, "at": stamp(at), "instruction_id": None, "number": 0,
        "customer": {}, "sent_at": stamp(at), "next_update_at": None, **dict.fromkeys(UPDATE_CONTENTS, text),
    }  # fmt: skip
    parcel = Parcel(f"test-{secrets.token_hex(8)}", "test", facts, (to,) if to is not None else ())
    chosen = row.model_copy(update={"to": (to,)}) if to is not None and section == "channels" else row
    try:
        receipt = open_channel(chosen, os.environ).carry(parcel, at)
    except NotCarried as error:
        return result | {"outcome": "failed", "said": str(error)}
    return result | {"said": receipt.said}


def _lines(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from table(
        ("channel", "type", "", ""),
        ((f"{r['section']}.{r['name']}", r["type"], r["outcome"], r["said"]) for r in results),
    )


def add(app: typer.Typer) -> None:
    """Put the commands of this group on the command line."""
    app.add_typer(notify, name="notify")
