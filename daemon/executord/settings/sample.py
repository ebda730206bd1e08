"""The sample of `config generate`: every key with its description, made from the fields.

Counterpart: `model.py`, whose descriptions and examples it shows.
"""

from __future__ import annotations

from typing import Any

import yaml

from executord.settings.model import Settings


def generate() -> str:
    """A commented sample made of the field descriptions; it loads as it is, and with every example taken in."""
    parts = ["# Configuration of executord. Everything is optional; what is commented out shows what is possible.\n"]
    for name, field in Settings.model_fields.items():
        plain = Settings().model_dump(mode="json")[name]
        lines = [f"# {field.description}"]
        if isinstance(plain, (str, list)) and plain:
            lines.append(_yaml({name: plain}))
        else:
            lines += (f"#{line}" for line in _yaml({name: (field.examples or [plain])[0]}).splitlines())
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _yaml(data: dict[str, Any]) -> str:
    flow = None if any(isinstance(each, (list, dict)) for each in data.values()) else False
    return yaml.safe_dump(data, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=110).rstrip("\n")
