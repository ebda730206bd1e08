"""What people and agents really write is read in a fixed way, and what we write is read alike by everybody."""

from __future__ import annotations

import copy
import datetime as dt
import hashlib
import json
import math
import pickle
import time

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from executord import paper
from executord.errors import Unreadable
from executord.paper import (
    Limits,
    dump,
    is_left_alone,
    journal_line,
    locate,
    parse,
    placeholder,
    printable,
    read_journal,
    stamp,
    tree,
    written,
)

TASK = """# a task
id: T3
title: "Restart the gateway and check"
description: |
  First restart the gateway: it hangs.

  Then check the logs.
assigned_to: support:technical_support_engineer
supporting:
  - chat-support-specialist
priority: high
created_at: 2026-11-20T09:00:00Z
sla_resolution: 4 hours
dependencies: [T1, T2]
customer:
  name: Acme
  contact: ops@acme.example
steps:
  - name: restart
    command: systemctl restart gateway
notes: >-
  Some folded text that
  goes on.
version: 1.10
"""


def data(text: str | bytes):
    return parse(text.encode() if isinstance(text, str) else text).data


def value(text: str):
    return data(f"v: {text}\n")["v"]


def fault(text: str | bytes, **more) -> Unreadable:
    begun = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        parse(text.encode() if isinstance(text, str) else text, path="T3.yaml", **more)
    assert time.monotonic() - begun < 3
    assert caught.value.path == "T3.yaml"
    assert caught.value.message
    assert caught.value.fix
    return caught.value


# --- scalars ---


@pytest.mark.spec("MEM-4")
@pytest.mark.hazard(9)
@pytest.mark.parametrize(
    "text",
    [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "On",
        "NO",
        "007",
        "010",
        "-01",
        "12:30",
        "12:30:00",
        "0x10",
        "0o7",
        "0b1",
        "1_000",
        ".nan",
        ".inf",
        "-.inf",
        "NaN",
        "Infinity",
        "2026-01-10",
        "2026-01-10T14:00:00Z",
        "2025-13-45",
        "=",
        "1.2.3",
        "1e",
        "1e400",
        "12e4567",
        "08.5",
        "+",
        ".",
        "1,5",
        "5%",
        "nUll",
        "tRUE",
    ],
)
def test_what_is_not_surely_something_else_stays_text(text):
    assert value(text) == text
    assert isinstance(value(text), str)


@pytest.mark.spec("MEM-4")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("true", True),
        ("True", True),
        ("FALSE", False),
        ("0", 0),
        ("7", 7),
        ("-3", -3),
        ("+5", 5),
        ("-0", 0),
        ("1.10", 1.1),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("-2.5E-3", -0.0025),
        ('"7"', "7"),
        ("'true'", "true"),
        ('""', ""),
        ("!!str 7", "7"),
        ("!!int '7'", 7),
        ("!!bool yes", "yes"),
    ],
)
def test_null_booleans_integers_and_decimals_are_resolved(text, expected):
    assert value(text) == expected
    assert isinstance(value(text), type(expected))


@pytest.mark.spec("MEM-4")
@pytest.mark.parametrize(
    "text",
    [
        "007",
        "1.10",
        "1.0",
        "10.00",
        "7",
        "+5",
        "-0",
        "0",
        "1e3",
        "5.",
        ".5",
        "true",
        "null",
        "no",
        "v1.2",
        "12345678901234567890",
    ],
)
def test_ids_and_versions_are_the_scalar_as_it_is_written(text):
    assert written(value(text)) == ("" if text == "null" else text)


@pytest.mark.spec("MEM-4")
def test_the_spelling_survives_copies_and_json():
    version = value("1.10")
    for other in (copy.deepcopy(version), pickle.loads(pickle.dumps(version)), copy.copy(value("+5"))):
        assert written(other) in ("1.10", "+5")
    assert written(parse(b'{"v": 1.10}').data["v"]) == "1.10"
    assert json.dumps(version) == "1.1"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (["a", 1], '["a", 1]'),
        ({"t": None}, "{t}"),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        (dt.date(2026, 1, 2), "2026-01-02"),
        ({1, "a"}, None),
        (object, None),
    ],
)
def test_no_value_makes_written_fail(given, text):
    assert written(given) == text if text is not None else written(given)


@pytest.mark.hazard(8)
@pytest.mark.parametrize("text", ["2025-13-45", "9" * 5000, "-" + "9" * 5000, "1." + "1" * 5000, "0." + "0" * 300000])
def test_bad_dates_and_huge_numbers_are_text(text):
    assert parse(f"v: {text}".encode(), limits=Limits(bytes=1 << 20)).data == {"v": text}
    assert parse(b'{"v": ' + b"9" * 5000 + b"}").data == {"v": "9" * 5000}


@pytest.mark.spec("MEM-4")
def test_keys_are_the_text_that_stands_there():
    text = "1.10: a\n007: b\nno: c\ntrue: d\n2026-01-10: e\n? \n: f\n'<<': g\n"
    assert list(data(text)) == ["1.10", "007", "no", "true", "2026-01-10", "", "<<"]


def test_a_key_that_is_no_scalar_becomes_text_with_a_warning():
    sheet = parse(b"? [a, b]\n: 1\n? {c: 1}\n: 2\nx: {{name}}\n")
    assert sheet.data == {'["a", "b"]': 1, '{"c": 1}': 2, "x": {"{name}": None}}
    assert [(note.code, note.line, note.severity) for note in sheet.findings] == [
        ("MEM-5", 1, "warning"),
        ("MEM-5", 3, "warning"),
        ("MEM-5", 5, "warning"),
    ]


# --- documents ---


@pytest.mark.spec("MEM-5", "MEM-13")
@pytest.mark.hazard(9)
def test_of_equal_keys_the_last_wins_with_a_warning_naming_its_place():
    sheet = parse(b"a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", path="T3.yaml")
    assert sheet.data == {"a": 3, "b": {"c": 2}}
    assert [(note.code, note.field, note.line, note.column) for note in sheet.findings] == [
        ("MEM-5", "b.c", 4, 3),
        ("MEM-5", "a", 5, 1),
    ]
    assert sheet.findings[0].text().startswith("T3.yaml:4:3 b.c: ")
    assert [note.line for note in parse(b'{"a": 1,\n "a": 2}').findings] == [2]
    assert len(parse(b"a: 1\n" * 3000).findings) <= 100


@pytest.mark.spec("MEM-5")
@pytest.mark.hazard(10)
@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2\n",
        "---\na: 1\n---\n# Title\n\nSome *text* `code`: {[ \n\tx\n",
        "a: 1\n...\ngarbage: [\n",
        "- x\n---\na: 1\n",
        "# only\n---\na: 1\n",
        "text\n---\na: 1\n---\n- b",
        "%YAML 1.1\n---\na: 1\n",
        "\ufeffa: 1",
    ],
)
def test_the_first_document_that_is_a_mapping_counts(text):
    assert data(text) == {"a": 1}


@pytest.mark.hazard(7)
def test_bad_bytes_in_a_later_document_do_not_spoil_the_first():
    assert data(b"a: 1\n---\nGr\xfc\xdfe\n") == {"a": 1}


@pytest.mark.spec("MEM-5")
@pytest.mark.hazard(10)
@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "---\n---\n", "null\n", "   \n", "\ufeff"])
def test_a_file_without_content_is_empty(text):
    assert data(text) is None


@pytest.mark.spec("MEM-5")
@pytest.mark.parametrize(("text", "kind"), [("- a\n", "list"), ("just text\n", "value"), ("# x\n\n- a", "list")])
def test_a_file_that_is_no_mapping_is_refused(text, kind):
    error = fault(text)
    assert error.code == "MEM-5"
    assert kind in error.message
    assert error.line


@pytest.mark.spec("MEM-5", "SEC-3")
@pytest.mark.hazard(10)
def test_unknown_tags_become_plain_data():
    text = "a: !include x.yaml\nb: !!python/object/apply:os.system [echo]\nc: !x {d: 1}\ne: !!set {f, g}\n"
    assert data(text) == {"a": "x.yaml", "b": ["echo"], "c": {"d": 1}, "e": {"f": None, "g": None}}


@pytest.mark.hazard(7)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_and_byte_order_marks_are_accepted(encoding):
    text = "a: ü€🎉\nb: Fix: it\n"
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert data(mark + text.encode(encoding)) == {"a": "ü€🎉", "b": "Fix: it"}


@pytest.mark.spec("MEM-13")
@pytest.mark.hazard(7)
@pytest.mark.parametrize(
    ("raw", "line"), [(b"a: 1\nb: Gr\xfc\xdfe\n", 2), (b"a: b\0c\n", 1), (b"\0" * 4096, 1), (b"a: \x07\n", 1)]
)
def test_what_is_not_text_is_refused_with_its_place(raw, line):
    error = fault(raw)
    assert (error.code, error.line) == ("MEM-13", line)
    assert "UTF-8" in (error.fix or "")


@pytest.mark.spec("MEM-13")
@pytest.mark.hazard(2)
@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "\ta: 1\n", "a:\n  - x\n\t- y\n"])
def test_tabs_as_indentation_are_said_plainly(text):
    error = fault(text)
    assert "tab" in error.message or "tab" in (error.fix or "")
    assert error.line


@pytest.mark.spec("MEM-13")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 'x\nc: 1\n", 4, "line 2"),
        ("a: [1, 2\nb: c\n", 2, "line 1"),
        ("a: 1\n]\n", 2, "expected"),
        ("**a**: bold\n", 1, "`*`"),
        ("a: *x\n", 1, "refers to nothing"),
        ("a: 1\nword\nb: 2\n", 3, "':'"),
    ],
)
def test_a_fault_names_line_column_and_a_fix(text, line, words):
    error = fault(text)
    assert error.code == "MEM-13"
    assert (error.line, bool(error.column)) == (line, True)
    assert words in str(error)
    assert str(error).startswith(f"T3.yaml:{line}:")


@pytest.mark.spec("MEM-3")
def test_json_is_read_alike():
    same = {"a": [1, -2.5, True, None, "x"], "b": {"c": "d"}}
    assert data(json.dumps(same)) == data(json.dumps(same, indent="\t")) == data("\ufeff" + json.dumps(same)) == same
    assert data('{"a": "\\ud83c\\udf89"}') == {"a": "🎉"}
    assert data('{"a": NaN, "b": -Infinity, "c": 1e999}') == {"a": "NaN", "b": "-Infinity", "c": "1e999"}
    assert data("{a: b, c: {timestamp}}") == {"a": "b", "c": {"timestamp": None}}
    assert fault('{"a": ' + "[" * 70 + "]" * 70 + "}").code == "SEC-0"
    assert fault('{"a": [' + "1," * 100_000 + "1]}").code == "SEC-0"


def test_the_sheet_carries_the_bytes_and_their_hash():
    sheet = parse(b"a: 1\n")
    assert sheet.raw == b"a: 1\n"
    assert sheet.sha256 == hashlib.sha256(b"a: 1\n").hexdigest()
    assert not sheet.repaired
    assert sheet.findings == ()


def test_without_libyaml_it_is_read_alike(monkeypatch):
    monkeypatch.setattr(tree, "_Parser", yaml.SafeLoader)
    assert data(TASK)["steps"] == [{"name": "restart", "command": "systemctl restart gateway"}]
    assert fault("a: [1\nb: 2\n").line
    assert fault(b"a: \xff").line == 1
    assert fault("[" * 2000).code == "SEC-0"


# --- repair ---


@pytest.mark.spec("MEM-6")
@pytest.mark.parametrize(
    ("text", "expected", "lines"),
    [
        ("a: > 2 hours\nb: 1\n", {"a": "> 2 hours", "b": 1}, [1]),
        ("a: %10\n", {"a": "%10"}, [1]),
        ("a: 1\nb: @team\n", {"a": 1, "b": "@team"}, [2]),
        ("a: `cmd` x\n", {"a": "`cmd` x"}, [1]),
        ("- a\n---\nb: c: d\n", {"b": "c: d"}, [3]),
        ("a: Fix: login fails # soon\n", {"a": "Fix: login fails"}, [1]),
        ("a: it's: here\n", {"a": "it's: here"}, [1]),
        ("a: see:\nb: ends: so:\n", {"a": "see:", "b": "ends: so:"}, [1, 2]),
        ('d:\n  - T1\n  - T2: "Do it" (backend, pending)\n', {"d": ["T1", 'T2: "Do it" (backend, pending)']}, [3]),
        ('a: "Login" fails\n', {"a": '"Login" fails'}, [1]),
        ("l:\n- > 3 days\n- @x\n", {"l": ["> 3 days", "@x"]}, [2, 3]),
        ("l:\n- k: a: b\n  m: 1\n", {"l": [{"k": "a: b", "m": 1}]}, [2]),
        ("a: one: two\n  and more\nb: 1\n", {"a": "one: two and more", "b": 1}, [1]),
        ("a: one\n  two: three\nb: 1\n", {"a": "one two: three", "b": 1}, [1]),
        ("a: b: c\r\nd: e\r\n", {"a": "b: c", "d": "e"}, [1]),
        ("a: |\n  x: y: z\n\n  > q\nb: Fix: it\n", {"a": "x: y: z\n\n> q\n", "b": "Fix: it"}, [5]),
        ('a: "x\n  y: z: 1\n  @"\nb: c: d\n', {"a": "x y: z: 1 @", "b": "c: d"}, [4]),
        ("a: [x,\n  'y: z: q']\nb: c: d\n", {"a": ["x", "y: z: q"], "b": "c: d"}, [3]),
        ("a: >\n  folded: b: c\nd: e: f\n", {"a": "folded: b: c\n", "d": "e: f"}, [3]),
        ("```yaml\na: 1\nb: @x\n```\n", {"a": 1, "b": "@x"}, [1, 3]),
        ("\n~~~ yml\r\na: |\r\n  ```\r\n  x\r\n  ```\r\n~~~\r\n\r\n", {"a": "```\nx\n```\n"}, [2]),
    ],
)
def test_one_repair_quotes_what_was_meant_as_text(text, expected, lines):
    sheet = parse(text.encode(), path="T3.yaml")
    assert sheet.data == expected
    assert sheet.repaired
    assert sheet.raw == text.encode()
    notes = [note for note in sheet.findings if note.code == "MEM-6"]
    assert [note.line for note in notes] == lines
    assert all(note.severity == "warning" and note.path == "T3.yaml" and note.message for note in notes)


@pytest.mark.spec("MEM-6")
def test_a_file_that_parses_is_never_repaired():
    text = "a: 'x: y'\nb: |\n  > q: r: s\nc: http://x:80/y\nd: [\"@\"]\ne: >2\n"
    assert not parse(text.encode()).repaired


@pytest.mark.spec("MEM-6")
@pytest.mark.parametrize(
    "text",
    ["```yaml\na: 1\n", "Here it is:\n```\n", "```\n```\n", "```yaml\na: 1\n~~~\n", "b: 1\n```yaml\na: 1\n```\n"],
)
def test_half_a_fence_or_one_with_keys_around_it_is_a_fault(text):
    """Of what is cut off nobody knows what it was to become."""
    assert fault(text).code == "MEM-13"


@pytest.mark.spec("MEM-6")
def test_if_the_repair_does_not_help_the_first_fault_is_told():
    error = fault("a: b: c\nd: [\n")
    assert (error.line, error.code) == (1, "MEM-13")


# --- bounds ---

K100 = 100_000


@pytest.mark.spec("SEC-0", "SEC-3")
@pytest.mark.hazard(4)
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * K100,
        b"{" * K100,
        b"a: " + b"[" * K100,
        b"- " * K100,
        b"? " * K100,
        b"{a: " * 60_000,
        b"[{" * K100,
        b"a: " + b"[[" * 40 + b"]]" * 40,
        b"".join(b" " * i + b"a:\n" for i in range(700)),
        b"[\n" * K100,
        b'{"a": ' + b"[" * K100,
        b"- - - - " * 30_000,
        b'{"a":' * 40_000,
        b"a:\n" + b"- " * K100,
    ],
    ids=lambda raw: repr(raw[:8]),
)
def test_deep_nesting_is_refused_before_anything_recursive_sees_it(raw):
    error = fault(raw)
    assert error.code == "SEC-0"
    assert "deep" in error.message
    assert error.line
    assert locate(raw, ("a", 0)) is None


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(4)
@pytest.mark.parametrize("head", ['a: "', "a: '", "b: 1 # ", "a: |\n  ", "a: x", "a: >\n  "])
def test_brackets_in_text_are_no_nesting(head):
    tail = head[3] if head[3:] in ("'", '"') else ""
    raw = f"{head}{'[{' * 50_000}{tail}\n".encode()
    assert len(raw) > K100
    assert parse(raw).data is not None


@pytest.mark.spec("SEC-0")
def test_the_depth_that_is_allowed_is_64():
    assert data("a: " + "[" * 63 + "]" * 63)
    assert fault("a: " + "[" * 64 + "]" * 64).code == "SEC-0"
    assert parse(b"a: [[]]", limits=Limits(depth=3)).data == {"a": [[]]}
    assert fault("a: [[]]", limits=Limits(depth=2)).code == "SEC-0"


def bomb(levels: int, width: int) -> str:
    lines = ["l0: &l0 [x]"] + [
        f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * width)}]" for level in range(1, levels)
    ]
    return "\n".join(lines)


@pytest.mark.spec("SEC-0", "SEC-3")
@pytest.mark.hazard(3)
@pytest.mark.parametrize("text", [bomb(10, 9), bomb(60, 2), bomb(3, 2000)])
def test_an_alias_bomb_is_refused_before_it_is_expanded(text):
    error = fault(text)
    assert error.code == "SEC-0"
    assert "aliases" in error.message
    assert len(str(error)) < 500


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(3)
def test_an_alias_bomb_in_merges_and_in_depth_is_refused():
    merges = "a: &a {x: 1, y: 2, z: 3}\nb:\n" + "  <<: *a\n" * 30_000
    assert fault(merges[:200_000]).code == "SEC-0"
    deep = "l0: &l0 [x]\n" + "\n".join(f"l{n}: &l{n} [*l{n - 1}]" for n in range(1, 200))
    assert fault(deep).code == "SEC-0"


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(5)
@pytest.mark.parametrize("text", ["a: &a [*a]", "&a {b: *a}", "a: &a {b: {c: [*a]}}", "&a [*a]", "&a {*a : 1}"])
def test_a_value_that_contains_itself_is_refused(text):
    assert fault(text).code == "SEC-0"


@pytest.mark.spec("SEC-0")
def test_few_aliases_and_merges_are_plain_copies():
    got = data("base: &b {x: [1], y: 2}\nc: {<<: *b, y: 3}\nd: *b\ne: {<<: [{y: 9}, *b]}\nf: {<<: text}\n&k g: *k\n")
    assert got["c"] == {"x": [1], "y": 3}
    assert got["d"] == {"x": [1], "y": 2}
    assert got["d"] is not got["base"]
    assert got["e"] == {"x": [1], "y": 9}
    assert got["f"] == {"<<": "text"}
    assert got["g"] == "g"


@pytest.mark.spec("SEC-0")
@pytest.mark.hazard(6)
def test_bytes_and_values_are_bounded():
    assert fault("a: " + "x" * 300_000).code == "SEC-0"
    assert fault("a: [" + "1," * 100_001 + "]").code == "SEC-0"
    assert fault("a: [1, 2]", limits=Limits(nodes=4)).code == "SEC-0"
    assert data("a: [" + "1," * 90_000 + "]")


@pytest.mark.hazard(1)
def test_a_file_cut_at_any_byte_is_read_or_refused():
    raw = TASK.encode()
    whole = parse(raw).data
    codes = set()
    for cut in range(len(raw)):
        try:
            got = parse(raw[:cut]).data
        except Unreadable as error:
            codes.add(error.code)
        else:
            assert got is None or set(got) <= set(whole) | {key[:n] for key in whole for n in range(len(key))}
    assert codes <= {"MEM-5", "MEM-13"}


PIECES = st.sampled_from(
    [
        "a",
        ": ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ",",
        '"',
        "'",
        "#",
        " #",
        "&a ",
        "*a",
        "!x ",
        "|",
        ">",
        "%",
        "@",
        "`",
        "\t",
        "? ",
        "---\n",
        "...\n",
        "<<: ",
        "\\",
        "\ufeff",
        "é",
        "\x00",
        "\x85",
        "1.10",
        "no",
        "\r\n",
        "(b)",
    ]
)


@pytest.mark.spec("REL-10")
@pytest.mark.hazard(8)
@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map(lambda parts: "".join(parts).encode())))
@example(b"? ")
@example(b"<<: {a: 1}\n<<: [x]")
@example(b"\xef\xbb\xbf{")
def test_nothing_but_unreadable_comes_out(raw):
    begun = time.monotonic()
    try:
        sheet = parse(raw)
    except Unreadable as error:
        str(error)
    else:
        assert sheet.data is None or isinstance(sheet.data, dict)
        if sheet.data is not None:
            assert parse(dump(sheet.data)).data == sheet.data
    locate(raw, ("a", 0))
    line: int | None = 1
    try:
        read_journal(raw)
    except Unreadable as error:
        line = error.line
    assert line
    assert time.monotonic() - begun < 2


@pytest.mark.spec("REL-10")
@pytest.mark.parametrize(
    "unit",
    [
        "a: ",
        "a: 1\n",
        'a: ["\n',
        'a: "\\\n',
        "a: '\n",
        'a: ["\\"',
        "x: Fix: y\n",
        "- 'a' b\n",
        "a: > x\n",
        "&a ",
        "*a ",
        "!x ",
        "# ",
        " #",
        "a: b\n  c\n",
        "'",
        '"',
        "\\",
        "\t",
        " ",
        "---\n",
        "- - a\n",
        "a: x   #",
        "|\n",
        "[],",
        "- {a: ",
    ],
)
def test_a_file_full_of_one_thing_takes_linear_time(unit):
    for raw in (unit * (262_144 // len(unit)), "a: [" + unit * (262_000 // len(unit)), "k: a: b\n" + unit * 20_000):
        begun = time.monotonic()
        for reader in (parse, lambda raw: locate(raw, ("a",))):
            words = ""
            try:
                reader(raw.encode()[:262_144])
            except Unreadable as error:
                words = str(error)
            assert len(words) < 1000
        assert time.monotonic() - begun < 5


# --- places ---


@pytest.mark.spec("MEM-13")
@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("id",), (2, 5)),
        (("customer", "contact"), (17, 12)),
        (("steps", 0, "command"), (20, 14)),
        (("steps", 0), (19, 5)),
        (("dependencies", 1), (14, 20)),
        (("description",), (4, 14)),
        ((), (2, 1)),
        (("steps", 1), None),
        (("x",), None),
    ],
)
def test_a_value_is_found_by_its_path(keys, place):
    assert locate(TASK.encode(), keys) == place


@pytest.mark.spec("MEM-13")
def test_places_in_untidy_files():
    assert locate(b"a: 1\nb: 2\na: 3\n", ("a",)) == (3, 4)
    assert locate(b"- x\n---\na: 1\n---\na: 2\n", ("a",)) == (3, 4)
    assert locate(b"a: b: c\nd: {e: 1}\n", ("d", "e")) == (2, 8)
    assert locate(b"? [a, {b: c}]\n: 1\nd: 2\n", ("d",)) == (3, 4)
    assert locate(b"x: &a 1\ny: [*a, *a, q]\n", ("y", 2)) == (2, 13)
    assert locate(b"1: {2: 3}\n", (1, 2)) == (1, 8)
    assert locate(b"a: [\n", ("a",)) is None
    assert locate(b"\xff", ("a",)) is None


# --- writing ---


def agree(value: dict) -> None:
    raw = dump(value)
    assert parse(raw).data == value
    assert yaml.safe_load(raw) == value
    assert yaml.load(raw, yaml.CSafeLoader) == value
    assert not parse(raw).repaired
    assert not parse(raw).findings


TEXTS = [
    "007",
    "1.10",
    "no",
    "No",
    "on",
    "y",
    "n",
    "yes",
    "off",
    "null",
    "~",
    "true",
    "12:30",
    "12:30:00",
    "2026-01-10",
    "2026-01-10T10:15:00Z",
    "=",
    "<<",
    "0x10",
    "0o7",
    "1_000",
    "1e3",
    ".nan",
    ".inf",
    "-",
    "--",
    "---",
    "...",
    "?",
    ":",
    ",",
    "#",
    "%",
    "@",
    "`",
    "&",
    "*",
    "!",
    "|",
    ">",
    "[",
    "]",
    "{",
    "}",
    "a:",
    ":a",
    "a:b",
    "a#b",
    "C:",
    "-a",
    "?a",
    "x\\y",
    'x"y',
    "it's",
    "",
    " ",
    " a",
    "a ",
    "a  b",
    "a # b",
    "a: b",
    "a\tb",
    "\t",
    "\n",
    "a\n",
    "a\n\n",
    "a\nb",
    "\na",
    " a\nb",
    "a\n b\n",
    "a\n \nb",
    "a\n\n\n\nb\n",
    "a \nb",
    "a\nb ",
    "a\n ",
    "# x\ny",
    "- x\n- y\n",
    "--- \n...\n",
    "a\r\nb",
    "a\rb",
    "\x85",
    "a\x85b",
    "\u2028",
    "\ufeff",
    "\ufeffa",
    "\x7f",
    "\x00",
    "\x1b[0m",
    "\ufffe",
    "\uffff",
    "🎉",
    "é",
    "Ünter",
    "\xa0a",
    "x" * 3000,
    "a\n\tb",
    "a: b\nc\n",
    "Pausé – “so”",
    "key: |",
    "a\n---\nb",
    "\\udcff",
    "10 %",
    "a,b",
    "(x)",
    "a\n\n ",
    "a\n\n b\n\n\n",
]


@pytest.mark.spec("MEM-14", "MEM-4")
@pytest.mark.hazard(9)
@pytest.mark.parametrize("text", TEXTS)
def test_a_text_stays_the_text_for_every_reader(text):
    agree({"v": text, text: text, "l": [text, [text], {"k": text, text: [text]}], "e": {}, "f": [], "w": text})


# A YAML reader looks no further than 1,024 characters for the `:` of a key in a flow mapping; ours are short.
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    [t for t in TEXTS if len(t) < 99]
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(TEXTS)
NUMBERS = st.integers(-(10**18) + 1, 10**18 - 1) | st.floats(allow_nan=False, allow_infinity=False)


def trees(words):
    return st.recursive(
        st.none() | st.booleans() | NUMBERS | words,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
        max_leaves=15,
    )


@pytest.mark.spec("MEM-14")
@given(st.dictionaries(WORDS, trees(WORDS), max_size=5))
@example({"": [[], [[]], {}, {"": ""}]})
@example({"x" * 1100: {"y" * 1100: ["a\nb", {"z" * 2000: 1}]}})
def test_what_is_written_is_read_back_by_every_reader(value):
    agree(value)


@pytest.mark.spec("MEM-16", "CON-0")
def test_our_files_are_plain_to_the_eye():
    message = {
        "id": "acme-42.T3.a1.delegation",
        "to": "technical-support-engineer",
        "reason": "T3 is held by technical-support-engineer, not by chat-support-specialist",
        "version": "1.10",
        "body": "First line.\n\n  Indented: so.\n",
        "files": [{"path": "outputs/partial/T3/notes.md", "size": 12}],
        "waits_for": [],
        "percent": value("1.10"),
        "why": None,
        "generated_by": "executord",
        "generated_at": dt.datetime(2026, 11, 20, 11, 15, tzinfo=dt.timezone(dt.timedelta(hours=1))),
        "event": 12,
    }
    assert dump(message).decode() == (
        "id: acme-42.T3.a1.delegation\n"
        "to: technical-support-engineer\n"
        "reason: T3 is held by technical-support-engineer, not by chat-support-specialist\n"
        'version: "1.10"\n'
        "body: |\n  First line.\n\n    Indented: so.\n"
        "files:\n  - path: outputs/partial/T3/notes.md\n    size: 12\n"
        "waits_for: []\n"
        "percent: 1.10\n"
        "why: null\n"
        "generated_by: executord\n"
        "generated_at: 2026-11-20T10:15:00Z\n"
        "event: 12\n"
    )
    assert yaml.safe_load(dump(message))["generated_at"] == message["generated_at"]
    assert dump({}) == b"{}\n"
    assert dump({"a": 1}, schema="https://x/y.json") == b"# yaml-language-server: $schema=https://x/y.json\na: 1\n"


def test_every_kind_of_value_has_a_spelling_or_is_refused():
    assert data(dump({"t": (1, 2), "s": {"b", "a"}, "d": dt.date(2026, 1, 2), "f": 1e-05, "i": math.inf, 3: True})) == {
        "t": [1, 2],
        "s": ["a", "b"],
        "d": "2026-01-02",
        "f": 1e-05,
        "i": ".inf",
        "3": True,
    }
    for bad in (object(), b"x", {"k": object()}, {(1, 2): 3}):
        with pytest.raises(TypeError):
            dump({"a": bad})


@pytest.mark.spec("CON-0")
def test_a_stamp_is_utc_with_a_fraction_only_if_there_is_one():
    assert stamp(dt.datetime(2026, 11, 20, 10, 15, tzinfo=dt.UTC)) == "2026-11-20T10:15:00Z"
    assert stamp(dt.datetime(2026, 11, 20, 10, 15, 0, 250_000, tzinfo=dt.UTC)) == "2026-11-20T10:15:00.25Z"
    assert stamp(dt.datetime(2026, 11, 20, 1, 0, tzinfo=dt.timezone(dt.timedelta(hours=2)))) == "2026-11-19T23:00:00Z"
    with pytest.raises(ValueError, match="zone"):
        stamp(dt.datetime(2026, 11, 20))


@pytest.mark.hazard(18)
def test_a_lone_surrogate_never_makes_writing_fail():
    name = b"r\xe9sum\xe9.yaml".decode("utf-8", "surrogateescape")
    assert printable(name) == "r\\udce9sum\\udce9.yaml"
    for raw in (dump({name: name, "l": [f"x\n{name}"]}), journal_line({"name": name})):
        assert printable(name) in json.dumps(yaml.safe_load(raw)).replace("\\\\", "\\")
        assert printable(name) in json.dumps(yaml.load(raw, yaml.CSafeLoader)).replace("\\\\", "\\")


# --- the journal ---

ENTRY = {"n": 12, "at": "2026-11-20T10:15:00Z", "name": "assign T3 a1", "why": "load 1 of 3; ü 🎉", "facts": {}}


@pytest.mark.spec("CON-6")
def test_a_journal_line_is_one_json_object_in_a_list():
    line = journal_line(ENTRY)
    assert (
        line
        == (
            '- {"n": 12, "at": "2026-11-20T10:15:00Z", "name": "assign T3 a1", '
            '"why": "load 1 of 3; ü 🎉", "facts": {}}\n'
        ).encode()
    )
    assert journal_line({"a": "\x7f\x85\x9f\u2028\u2029\ufeff\xa0🎉\x1b\n"}) == (
        '- {"a": "\\u007f\\u0085\\u009f\\u2028\\u2029\\ufeff\xa0🎉\\u001b\\n"}\n'.encode()
    )
    assert journal_line({"at": dt.datetime(2026, 11, 20, tzinfo=dt.UTC)}) == b'- {"at": "2026-11-20T00:00:00Z"}\n'


@pytest.mark.spec("CON-6")
@given(st.dictionaries(SHORT, trees(SHORT), max_size=4))
def test_json_and_yaml_readers_read_the_same_journal(entry):
    raw = journal_line(entry)
    assert raw.count(b"\n") == 1
    assert json.loads(raw[2:]) == entry
    assert read_journal(raw * 2) == ([entry, entry], 2 * len(raw))
    assert yaml.load(raw, yaml.CSafeLoader)[0].keys() == entry.keys()


@pytest.mark.spec("CON-6")
@given(st.dictionaries(SHORT, WORDS, max_size=4))
def test_a_journal_of_texts_is_the_same_to_yaml(entry):
    assert yaml.load(journal_line(entry), yaml.CSafeLoader) == [entry]
    assert yaml.safe_load(journal_line(entry)) == [entry]


@pytest.mark.spec("CON-6", "MEM-14")
def test_a_torn_last_line_does_not_count():
    line = journal_line(ENTRY)
    for cut in range(len(line)):
        assert read_journal(line * 2 + line[:cut]) == ([ENTRY, ENTRY], 2 * len(line))
    assert read_journal(line + b"\0" * 100) == ([ENTRY], len(line))
    assert read_journal(b"") == ([], 0)


@pytest.mark.spec("CON-6")
def test_a_line_edited_by_hand_may_be_any_yaml():
    raw = b"# by me\n---\n- {n: 1, name: x}\n\n- n: 2\n  name: 'y'\n" + journal_line(ENTRY)
    assert read_journal(raw) == ([{"n": 1, "name": "x"}, {"n": 2, "name": "y"}, ENTRY], len(raw))


@pytest.mark.spec("CON-6", "MEM-13")
@pytest.mark.parametrize(
    "bad", [b"garbage", b"- [1]", b"- 5", b"- {", b"x: 1", b"- \xff", b"- {a: *b}", b"- " + b"[" * K100]
)
def test_a_garbage_line_is_named(bad):
    with pytest.raises(Unreadable) as caught:
        read_journal(journal_line(ENTRY) * 2 + bad + b"\n" + journal_line(ENTRY))
    assert caught.value.line == 3
    assert caught.value.code == "CON-6"


# --- names and placeholders ---


@pytest.mark.spec("MEM-3")
@pytest.mark.hazard(24)
def test_what_is_no_task_or_message_is_left_alone():
    for name in (".x.yaml", "a.tmp", "a.tmp.123", "a.yaml.tmp.1", "a.yaml~", "a.swp", ".gitkeep", "README.md", "x.csv"):
        assert is_left_alone(name), name
    for name in ("a.yaml", "a.yml", "a.json", "tmp.yaml", "a.txt", "md", "a~2.yaml", "a.tmpl.yaml"):
        assert not is_left_alone(name), name
    assert paper.TASK_ENDINGS == (".yaml", ".yml", ".YAML", ".YML")
    assert (*paper.TASK_ENDINGS, ".json", ".JSON") == paper.MESSAGE_ENDINGS


@pytest.mark.spec("MEM-10")
@pytest.mark.parametrize(
    "text",
    [
        "{timestamp}",
        "{{name}}",
        '"{agent_name}"',
        '"{{ name }}"',
        "<agent>",
        "<your name here>",
        "<YYYY-MM-DD>",
        "<…>",
        "<...>",
        "critical | high | medium | low",
        "a | b",
        "low|medium|high",
        '"${TASK_ID}"',
        "internal | customer | both",
    ],
)
def test_a_template_that_is_not_filled_in_is_recognised(text):
    assert placeholder(value(text))


@pytest.mark.spec("MEM-10")
@pytest.mark.parametrize(
    "text",
    [
        "high",
        "< 2 hours",
        "<2 hours",
        "7",
        "null",
        "[a]",
        "{a: 1}",
        "{}",
        "{a, b}",
        "<ops@acme.example>",
        "<https://acme.example>",
        "see <agent> about it",
        "<b>bold</b>",
        "<br/>",
        "'Hello {agent_name}, we are on it'",
        "Acme GmbH | checkout fails",
        "cat log | grep x",
        "a || b",
        "|",
        "'{}'",
        "'{\"a\": 1}'",
        "TBD",
        "N/A",
        "TODO: fix login",
        "'" + "{x} " * 90 + "'",
    ],
)
def test_free_text_is_not_taken_for_a_template(text):
    assert placeholder(value(text) if text != "|" else "|") is None


@pytest.mark.spec("MEM-10")
@pytest.mark.parametrize("text", ["TBD", "tbd.", "TODO", "To be determined", "???", "t.b.d.", "…"])
def test_tbd_counts_where_a_value_is_required(text):
    assert placeholder(text, required=True)
    assert placeholder(text) is None
    assert placeholder("TBD rename of the service", required=True) is None
    assert placeholder("N/A", required=True) is None


def test_parsing_a_task_is_quick():
    """No more than the C loader itself takes for it, with room for noise."""
    raw = TASK.encode()

    def best(call) -> float:
        return min(timed(call) for _ in range(30))

    def timed(call) -> float:
        begun = time.perf_counter()
        for _ in range(10):
            call()
        return time.perf_counter() - begun

    assert best(lambda: parse(raw)) < 1.5 * best(lambda: yaml.load(raw, yaml.CSafeLoader))
