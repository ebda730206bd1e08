"""The configuration is read strictly, all or nothing, and says where it is wrong.

Counterpart: `executord/settings/`; and what systemd is told, `executord/loop/sdnotify.py`.
"""

from __future__ import annotations

import os
import re
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executord import log, settings
from executord.errors import BadConfiguration, NotFound
from executord.loop.sdnotify import Notifier
from executord.settings import Settings, check, generate, load, memory_folder, reading, state_folder
from executord.settings.faults import models_in

CONTRACT = """\
memory: /srv/agent_memory
timezone: Europe/Berlin
domains: [support]
durability: full          # or process
settle: 2 seconds
round: 60 seconds
authority:
  team-lead: [reassign, defer, hold, release]
  duty-manager: all
calendars:
  office:
    timezone: Europe/Berlin
    weekly: {mon: [["09:00", "17:00"]], fri: [["09:00", "12:00"], ["13:00", "15:00"]]}
    holidays: ["2026-12-25"]
    overrides: {"2026-12-24": [["09:00", "12:00"]]}
policies:
  - match: {priority: high, segment: enterprise}
    response: 1 hour - 2 hours         # target - limit
    resolution: 8 hours - 24 hours
    update: 20 hours - 1 day           # ask - overdue
    calendar: office
roster:
  technical-support-engineer: {expertise: [technical], capacity: 5, escalates_to: escalation-manager}
sessions:
  worker: {program: /usr/local/bin/team-worker, args: [--quiet]}
  roles: {tester: {program: /usr/local/bin/team-tester, args: []}}
  max_workers: 5
  work_s: 1800
  dependants: wait        # or skip
"""


@pytest.fixture
def environ(tmp_path):
    """An environment without anybody's configuration."""
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def write(tmp_path):
    """Writes a configuration and gives its path."""

    def writing(text, name="config.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return writing


def words(text):
    """The words of a text, to compare names with."""
    return set(text.split())


# --- what is read ---


@pytest.mark.spec("CON-3")
def test_the_example_of_the_contract_loads(write, environ):
    """Every key of it, and what the rules make of it."""
    found = load(write(CONTRACT), environ)
    assert (found.memory, found.timezone, found.domains) == ("/srv/agent_memory", "Europe/Berlin", ("support",))
    assert found.authority == {"team-lead": ("reassign", "defer", "hold", "release"), "duty-manager": ("all",)}
    assert found.roster["technical-support-engineer"].capacity == 5
    assert found.sessions.roles["tester"].program == "/usr/local/bin/team-tester"
    policy = found.policy()
    assert policy.may("duty-manager", "waive")
    assert policy.may("team-lead", "hold")
    assert not policy.may("team-lead", "waive")
    assert policy.capacity("technical-support-engineer") == 5
    assert "account" in policy.roster["account-manager"].expertise, "the built-in roster stays"
    assert policy.calendar("office").week_days == 2


@pytest.mark.spec("EXE-9", "OPS-9")
def test_what_a_row_of_the_roster_leaves_out_stays_as_built_in(write, environ):
    """Also of `support-manager`, to whom a new agent's cases climb where nothing else is said."""
    found = load(write("roster: {Support Manager: {hours: business}, newcomer: {capacity: 1}}"), environ)
    roster = found.policy().roster
    assert roster["support-manager"].escalates_to == "vp-customer-support"
    assert roster["support-manager"].hours is not None
    assert roster["newcomer"].escalates_to == "support-manager"


@pytest.mark.spec("CON-3", "OPS-9")
def test_without_a_file_the_defaults_count(environ):
    """All of them, as the contract names them."""
    found = load(None, environ)
    assert found.source is None
    assert (found.settle_s, found.round_s) == (2.0, 60.0)
    assert (found.durability, found.verification, found.timezone) == ("full", "normal", "UTC")
    assert (found.memory, found.state, found.domains) == (None, None, ("support",))
    assert (found.limits.file_bytes, found.limits.yaml_depth) == (262_144, 64)
    assert found.roster == {}
    assert settings.AgentRow().capacity == 3
    assert (found.sessions.work_s, found.sessions.status_s, found.sessions.finalize_s) == (1800, 180, 180)
    assert (found.sessions.extension_s, found.sessions.orphan_s, found.sessions.max_workers) == (1800, 300, 5)


@pytest.mark.spec("CON-3")
def test_the_keys_are_those_of_the_contract():
    """None is missing, none is more."""
    assert set(Settings.model_fields) == words(
        "memory state timezone domains durability settle round verification authority senders calendars policies "
        "roster escalations ladders channels digests sessions budgets limits notify metrics"
    )
    assert set(settings.AgentRow.model_fields) == words("expertise capacity escalates_to hours runner silence")
    assert set(settings.Sessions.model_fields) == words(
        "worker roles max_workers max_attempts work_s status_s finalize_s extension_s orphan_s dependants completion"
    )


def models(model, seen=()):
    """A model and all models in its fields."""
    yield model
    for field in model.model_fields.values():
        for inner in models_in((field.annotation, *field.metadata)):
            if inner not in seen:
                yield from models(inner, (*seen, model))


@pytest.mark.spec("OPS-9")
def test_every_field_has_a_description_and_every_row_is_strict():
    """The sample, the documentation and the reader of an error live on them."""
    for model in set(models(Settings)):
        assert model.model_config["extra"] == "forbid", model
        assert model.model_config["frozen"], model
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"


@pytest.mark.spec("OPS-9")
def test_settings_are_frozen(environ):
    """A reload makes new ones."""
    with pytest.raises(ValueError, match="frozen"):
        load(None, environ).settle = "1 second"


@pytest.mark.spec("CON-3")
def test_scalars_mean_what_they_say(write, environ):
    """No date, no boolean, no sexagesimal number comes out of what is a text."""
    text = "domains: [no, on, 2026-12-25, 12:30, 1e3]\ncalendars: {o: {weekly: {mon: [[09:00, 17:00]]}}}\n"
    found = load(write(text), environ)
    assert found.domains == ("no", "on", "2026-12-25", "12:30", "1e3")
    assert found.policy().calendar("o").week_days == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 seconds", 2),
        ("0 seconds", 0),
        ("0.2 s", 0.2),
        ("500 ms", 0.5),
        ("1 minute", 60),
        ("PT5S", 5),
        ("immediate", 0),
    ],
)
@pytest.mark.spec("CON-3")
def test_settle_says_its_unit(write, environ, text, seconds):
    """Fractions too."""
    if text == "immediate":
        assert check(write("settle: immediate"), environ)[0] is None, "a word for no time is no span"
    else:
        assert load(write(f"settle: {text}"), environ).settle_s == seconds


@pytest.mark.parametrize(
    "text", ["2", "2.5", "soonish", "1 - 2 seconds", "2 hours", "", "-1 s", "true", "[2 s]", "2026-01-01"]
)
@pytest.mark.spec("CON-3")
def test_a_settle_that_is_no_span_is_refused(write, environ, text):
    """A bare number would be hours [MEM-9], which nobody means."""
    with pytest.raises(BadConfiguration):
        load(write(f"settle: {text}"), environ)


# --- faults ---


@pytest.mark.spec("OPS-9")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n", "1:1 a: unknown key 'a'; "),
        ("# x\nsetle: 2 seconds\n", "2:1 setle: unknown key 'setle'; did you mean 'settle'?"),
        ("roster:\n  T S:\n    capcity: 5\n", "3:5 roster.T S.capcity: unknown key 'capcity'; did you mean 'cap"),
        ("roster: {x: {capacity: -1}}", "1:24 roster.x.capacity: -1 is out of range; use at least 0"),
        ("roster: {x: {capacity: true}}", "1:24 roster.x.capacity: 'True' is not a whole number; use e.g. 5"),
        ("roster: {../x: {}}", "1:9 roster: '../x' is not a name of an agent; use e.g. technical-support-engineer"),
        ("roster: {a b: {}, a_b: {}}", "1:9 roster: a-b stands there twice, as 'a_b' too; keep one of them"),
        ("roster: {a: {hours: offce}}\ncalendars: {office: {}}", "1:21 roster.a.hours: 'offce' is not a calendar"),
        ("roster: {a: {runner: [x]}}", "1:22 roster.a.runner: a list is not a mapping of keys; give keys and values"),
        ("roster: {a: {silence: often}}", "1:23 roster.a.silence: 'often' is neither a span nor a ladder; use"),
        ("roster: {a: {escalates_to: A}}", "1:28 roster.a.escalates_to: it escalates to itself; name somebody else"),
        ("timezone: Mars/Olympus", "1:11 timezone: 'Mars/Olympus' is not a time zone; use a name"),
        ("durability: fulll", "1:13 durability: 'fulll' is not a known value; use full or process"),
        ("settle: 2 seconds\nsettle: 3 seconds", "2:1 settle stands there twice; keep one of them"),
        ("limits: 5", "1:9 limits: '5' is not a mapping of keys; give keys and values"),
        ("limits: {file_bytes: 3}", "1:22 limits.file_bytes: 3 is out of range; use at least 1024"),
        ("- a", "1:1 it is not a mapping of keys; begin with keys"),
        ("a: [", "1:5 not YAML: "),
        ("policies: [{response: whenever}]", "1:23 policies.0.response: 'whenever' is not a duration; use e.g."),
        ("policies: [{match: {priority: hihg}}]", "1:31 policies.0.match.priority: 'hihg' is not a priority"),
        ("policies: [{match: {segmnt: x}}]", "1:21 policies.0.match.segmnt: unknown key 'segmnt'; did you mean"),
        ("policies: [{calendar: x}]", "1:23 policies.0.calendar: 'x' is not a calendar; possible are 24x7, business"),
        ("policies: [{calendar: {foo: x}}]", "1:24 policies.0.calendar.foo: unknown key 'foo'; possible"),
        ("policies: [{warn: [110%]}]", "1:20 policies.0.warn.0: '110%' is not a warning mark; use e.g."),
        ("calendars: {x: {weekly: {mon: [[10:00, 09:00]]}}}", "1:16 calendars.x: weekly.mon: 10:00 to 09:00"),
        ("calendars: {x: {weekly: {mnday: []}}}", "1:16 calendars.x: weekly: 'mnday' is not a day"),
        ("channels: {m: {url: x}}", "1:12 channels.m.type: type is missing; add it"),
        ("channels: {m: {type: email, password: x}}", "1:29 channels.m.password: unknown key 'password'; did you mean"),
        ("sessions: {dependants: stay}", "1:24 sessions.dependants: 'stay' is not a known value; use wait or skip"),
        ("sessions: {work_s: 5 minutes}", "1:20 sessions.work_s: '5 minutes' is not a whole number; use e.g. 5"),
        ("budgets: {'prioritee: high': {usd: 1}}", "1:10 budgets: 'prioritee' is nothing to match on; did you mean"),
        ("budgets: {a: {usd: -1}}", "1:20 budgets.a.usd: -1 is out of range; use at least 0"),
        ("domains: []", "1:10 domains: "),
    ],
)  # fmt: skip
def test_each_fault_has_its_place_and_what_to_write(write, environ, text, said):
    """File, line, column, key, what was found, what is possible [MEM-13]; exit 78."""
    path = write(text)
    with pytest.raises(BadConfiguration) as fault:
        load(path, environ)
    assert fault.value.exit_code == 78
    assert str(fault.value).startswith(f"{path}:{said}")


@pytest.mark.spec("OPS-9")
def test_all_faults_are_listed_by_line(write, environ):
    """`config validate` shows them all, `load` the first and how many more."""
    path = write("setle: 1\nlimits: {yaml_depth: 3}\nroster: {x: {capcity: 1}}\n")
    made, notes = check(path, environ)
    assert made is None
    assert [(note.line, note.field, note.code, note.path) for note in notes] == [
        (1, "setle", "OPS-9", path), (2, "limits.yaml_depth", "OPS-9", path), (3, "roster.x.capcity", "OPS-9", path),
    ]  # fmt: skip
    with pytest.raises(BadConfiguration, match="and 2 more"):
        load(path, environ)


@pytest.mark.spec("OPS-9")
@pytest.mark.hazard(3)
@pytest.mark.hazard(4)
@pytest.mark.hazard(5)
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (c + 1, c + 1, b",".join([b"*%c" % c] * 9)) for c in range(97, 106)
        ),
        b"a: &a [*a]",
        b"\xff\xfe\x00a",
        b"a: \x00",
        b"caf\xe9: x",
        b"x" * 2_000_000,
        b"{1: 2, [a]: b}",
        b"x: !!python/object/apply:os.system [true]",
    ],
)  # fmt: skip
def test_a_poisoned_configuration_is_an_error_like_any_other(write, environ, raw):
    """No crash, no minutes, no other exception."""
    began = time.monotonic()
    with pytest.raises(BadConfiguration):
        load(write(raw), environ)
    assert time.monotonic() - began < 10


@pytest.mark.spec("REL-10")
@given(text=st.text(max_size=60) | st.recursive(
    st.sampled_from(["", "x", "5", "-1", "true", "null", "all", "2 seconds", "high"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["roster", "policies", "match", "x", "capacity", "settle", "calendars", "weekly", "budgets",
                         "channels", "type", "senders", "authority", "ladders", "rungs", "hours", "runner"]),
        inner, max_size=4),
    max_leaves=12).map(repr).map(lambda text: text.replace("'", '"')))  # fmt: skip
def test_no_text_raises_anything_else(tmp_path_factory, text):
    """Settings, or findings with an error among them; never another exception."""
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    made, notes = check(str(path), {"HOME": "/nonexistent"})
    assert (made is None) == any(note.severity == "error" for note in notes)
    for note in notes:
        assert note.text()


# --- where it comes from ---


@pytest.mark.spec("OPS-9")
def test_the_first_file_in_the_order_counts(write, environ, tmp_path, monkeypatch):
    """--config, EXECUTORD_CONFIG, /etc, the home; else the defaults."""
    monkeypatch.setattr(reading, "PLACES", (str(tmp_path / "etc.yaml"), "~/.config/executord/config.yaml"))
    assert load(None, environ).source is None
    home = tmp_path / "home/.config/executord/config.yaml"
    home.parent.mkdir(parents=True)
    home.write_text("timezone: Europe/Rome")
    assert load(None, environ).timezone == "Europe/Rome"
    write("timezone: Europe/Paris", "etc.yaml")
    assert load(None, environ).timezone == "Europe/Paris"
    environ["EXECUTORD_CONFIG"] = write("timezone: Europe/Berlin", "env.yaml")
    assert load(None, environ).timezone == "Europe/Berlin"
    flag = write("timezone: Europe/Madrid", "flag.yaml")
    assert load(flag, environ).timezone == "Europe/Madrid"
    assert load(flag, environ).source == flag


@pytest.mark.spec("OPS-9")
def test_a_named_file_that_is_not_there_is_an_error(environ, tmp_path):
    """Never silently the defaults."""
    with pytest.raises(BadConfiguration, match="no such file"):
        load(str(tmp_path / "none.yaml"), environ)
    with pytest.raises(BadConfiguration, match="EXECUTORD_CONFIG"):
        load(None, environ | {"EXECUTORD_CONFIG": str(tmp_path / "none.yaml")})
    with pytest.raises(BadConfiguration, match="cannot be read"):
        load(str(tmp_path), environ)


@pytest.mark.spec("OPS-9")
def test_an_empty_file_is_the_defaults(write, environ):
    """Comments only, too."""
    plain = load(None, environ).model_dump()
    assert load(write(""), environ).model_dump() == load(write("# nothing\n"), environ).model_dump() == plain


@pytest.mark.spec("OPS-9", "CON-1")
def test_the_environment_goes_over_the_file(write, environ):
    """`__` goes one level down, names are compared as agents are; lists and mappings are YAML."""
    path = write("memory: /a\nsettle: 9 seconds\nroster: {billing-bot: {capacity: 1, expertise: [billing]}}\n")
    found = load(path, environ | {
        "EXECUTORD_MEMORY": "/srv/no", "EXECUTORD_SETTLE": "1 second", "EXECUTORD_LIMITS__FILE_BYTES": "4096",
        "EXECUTORD_ROSTER__BILLING_BOT__CAPACITY": "7", "EXECUTORD_DOMAINS": "[support, it]",
        "EXECUTORD_AUTHORITY__TEAM_LEAD": "all", "EXECUTORD_SESSIONS__WORKER": '{"program": "/bin/x"}',
    })  # fmt: skip
    assert (found.memory, found.settle_s, found.limits.file_bytes) == ("/srv/no", 1.0, 4096)
    assert found.roster["billing-bot"].capacity == 7
    assert found.roster["billing-bot"].expertise == ("billing",)
    assert found.domains == ("support", "it")
    assert found.authority == {"team-lead": ("all",)}
    assert found.sessions.worker.program == "/bin/x"


@pytest.mark.spec("OPS-9", "SES-10")
def test_variables_that_are_no_keys_are_left_alone(environ):
    """What a worker is told, and who speaks, configures nothing."""
    names = words(
        "AGENT SESSION TASK ATTEMPT RESULT INBOX REASONING_EFFORT WORKER INSTRUCTION ORDER OUTPUTS REPLY_TO KEY TYPE"
    )
    assert check(None, environ | {f"EXECUTORD_{name}": "x" for name in names}) == (load(None, environ), [])


@pytest.mark.spec("OPS-9")
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("EXECUTORD_SETLE", "1 s", "did you mean 'settle'"),
        ("EXECUTORD_SETTLE", "soonish", "EXECUTORD_SETTLE: 'soonish' is not a span"),
        ("EXECUTORD_LIMITS__FILE_BITES", "1", "EXECUTORD_LIMITS__FILE_BITES: unknown key"),
        ("EXECUTORD_ROSTER__BOT__CAPACITY", "x", "EXECUTORD_ROSTER__BOT__CAPACITY: 'x' is not a whole number"),
        ("EXECUTORD_DOMAINS", "[a", "EXECUTORD_DOMAINS: "),
        ("EXECUTORD_LIMITS", "5", "is not a mapping"),
    ],
)
def test_a_fault_of_a_variable_names_the_variable(write, environ, variable, value, said):
    """Not a line of the file, which is innocent."""
    made, notes = check(write("roster: {}\nlimits: {}\n"), environ | {variable: value})
    assert made is None
    assert any(said in note.text() for note in notes), [note.text() for note in notes]
    assert all(note.line is None for note in notes)


@pytest.mark.spec("OPS-9")
def test_a_strangers_variable_is_only_a_warning(environ):
    """It is no reason not to start."""
    made, notes = check(None, environ | {"EXECUTORD_QQQ": "1"})
    assert made is not None
    assert [(note.severity, note.field) for note in notes] == [("warning", "EXECUTORD_QQQ")]


# --- sample and display ---


@pytest.mark.spec("OPS-9")
def test_the_sample_loads_as_it_is_and_with_every_example(write, environ):
    """It names every key, with its description."""
    text = generate()
    assert load(write(text), environ).model_dump() == load(None, environ).model_dump()
    full = re.sub(r"(?m)^#(?=[^ #]|  )", "", text)
    made, notes = check(write(full), environ)
    assert [note.field for note in notes] == ["metrics"], "nothing but what has no effect yet"
    assert made.model_fields_set == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert field.description in text
        assert re.search(rf"(?m)^#?{name}:", text)


@pytest.mark.spec("OPS-9")
def test_what_has_no_effect_yet_is_said(write, environ):
    """Who asks for a ping relies on it: that this version sends none is a warning with its place, no silence."""
    made, notes = check(write("round: 30 s\nmetrics: {ping: https://ping.example/x}\n"), environ)
    assert made is not None
    assert [(n.severity, n.field, n.line) for n in notes] == [("warning", "metrics", 2)]
    assert "pings nobody" in notes[0].message
    assert check(write("round: 30 s\n"), environ)[1] == []


@pytest.mark.spec("OPS-9", "SEC-3")
def test_secrets_are_not_shown(write, environ):
    """By key, and in URLs; paths to secrets, and counted tokens, are none."""
    text = """
channels: {hook: {type: webhook, url: "https://hooks.example/T0/B0/xyzzy", secret_file: /etc/s}}
metrics: {ping: "https://ping.example/xyzzy"}
roster: {bot: {runner: {program: bot, env: {API_KEY: xyzzy, api-key: xyzzy, Secrets: [xyzzy], MODE: quick}}}}
budgets: {bot: {tokens: 5}}
"""
    shown = load(write(text), environ).redacted()
    assert "xyzzy" not in repr(shown)
    assert shown["channels"]["hook"]["url"] == "https://***"
    assert shown["channels"]["hook"]["secret_file"] == "/etc/s"
    assert shown["budgets"]["bot"]["tokens"] == 5
    assert shown["roster"]["bot"]["runner"]["env"]["MODE"] == "quick"
    assert shown["settle"] == "2 seconds"


def test_settings_and_log_hold_the_same_for_secret():
    """They stand on one floor and do not know one another."""
    assert settings.SECRET.pattern == log.SECRET.pattern


# --- folders ---


@pytest.mark.spec("CON-1")
def test_which_memory(environ, tmp_path, monkeypatch):
    """The flag, the setting, ./Agent_Memory; none there is 66."""
    monkeypatch.chdir(tmp_path)
    plain = load(None, environ)
    with pytest.raises(NotFound) as fault:
        memory_folder(plain, None)
    assert fault.value.exit_code == 66
    for name in ("Agent_Memory", "set", "flag"):
        (tmp_path / name).mkdir()
    named = load(None, environ | {"EXECUTORD_MEMORY": str(tmp_path / "set")})
    assert memory_folder(plain, None) == str(tmp_path / "Agent_Memory")
    assert memory_folder(named, None) == str(tmp_path / "set")
    assert memory_folder(named, "flag") == str(tmp_path / "flag")


@pytest.mark.spec("OPS-10")
def test_which_state_folder(environ, tmp_path):
    """The flag, the setting, systemd's, else one of its own for each tree."""
    plain = load(None, environ)
    one = state_folder(plain, None, environ, str(tmp_path / "one"))
    two = state_folder(plain, None, environ, str(tmp_path / "two"))
    assert one != two
    assert one.startswith(f"{tmp_path}/home/.local/state/executord/")
    assert re.fullmatch(r"[a-z0-9-]+-one-[0-9a-f]{8}", os.path.basename(one))
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert state_folder(plain, None, environ, f"{tmp_path}/link/") == one, "one tree, however it is called"
    xdg = environ | {"XDG_STATE_HOME": str(tmp_path / "xdg")}
    assert state_folder(plain, None, xdg, "/srv/m").startswith(f"{tmp_path}/xdg/executord/srv-m-")
    systemd = xdg | {"STATE_DIRECTORY": "/var/lib/executord:/var/lib/other"}
    assert state_folder(plain, None, systemd, "/srv/m") == "/var/lib/executord"
    named = Settings(state="/var/x")
    assert state_folder(named, None, systemd, "/srv/m") == "/var/x"
    assert state_folder(named, "/flag", systemd, "/srv/m") == "/flag"
    variable = load(None, environ | {"EXECUTORD_STATE": "/var/y"})
    assert state_folder(variable, None, systemd, "/srv/m") == "/var/y", "a key like any other"


@pytest.mark.spec("OPS-10", "MEM-2")
@pytest.mark.parametrize("place", ["", "/state", "/../link/state"])
def test_a_state_folder_in_the_memory_is_refused(tmp_path, environ, place):
    """There we write nothing of the kind, by whatever way it leads there."""
    (tmp_path / "memory").mkdir()
    (tmp_path / "link").symlink_to("memory")
    with pytest.raises(BadConfiguration, match="lies in the memory"):
        state_folder(Settings(), f"{tmp_path}/memory{place}", environ, f"{tmp_path}/memory")
    beside = f"{tmp_path}/memory-state"
    assert state_folder(Settings(), beside, environ, f"{tmp_path}/memory") == beside


# --- what systemd is told ---


@pytest.mark.spec("OPS-11")
@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path, abstract):
    """By datagram, to a path or an abstract name, one assignment a line."""
    name = f"@executord-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name[1:] if abstract else name)
        ear.settimeout(2)
        told = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "120000000", "WATCHDOG_PID": str(os.getpid())})
        assert told.watchdog_s == 120
        assert told.ready("3 cases\nSTOPPING=1")
        assert ear.recv(999) == b"READY=1\nSTATUS=3 cases STOPPING=1", "nobody's text becomes an assignment"
        assert told.watchdog()
        assert ear.recv(999) == b"WATCHDOG=1"
        assert told.extend(2.5)
        assert ear.recv(999) == b"EXTEND_TIMEOUT_USEC=2500000"
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        assert told.reloading()
        first, second = ear.recv(999).decode().split("\n")
        assert first == "RELOADING=1"
        assert before <= int(second.removeprefix("MONOTONIC_USEC=")) < before + 5_000_000
        assert told.stopping()
        assert ear.recv(999) == b"STOPPING=1"
        assert told.status("T\udcff1")
        assert ear.recv(999) == b"STATUS=T\\udcff1"


@pytest.mark.spec("OPS-11")
def test_without_systemd_nothing_happens(tmp_path):
    """No socket, a socket that is gone, another process's watchdog."""
    assert not Notifier({}).ready()
    assert not Notifier({}).listening
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).watchdog()
    assert Notifier({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "junk"}).watchdog_s is None


@pytest.mark.spec("OPS-9", "CON-3", "MSG-4")
def test_authority_is_given_for_types_that_there_are(write, environ):
    """An alias is its type, as in a message; a word that is none is an error with a suggestion."""
    made, notes = check(write("authority: {Team Lead: [Ack, priority-change], chief: all}\n"), environ)
    assert (made is not None, notes) == (True, [])
    policy = made.policy()
    assert policy.may("team-lead", "acknowledgement")
    assert policy.may("team-lead", "priority_change")
    assert not policy.may("team-lead", "hold")
    assert policy.may("chief", "hold")
    made, (note,) = check(write("authority: {team-lead: [hold, reasign]}\n"), environ)
    assert made is None
    assert note.text().endswith(
        ":1:24 authority.team-lead: 'reasign' is not a type of message; did you mean 'reassign'?"
    )


@pytest.mark.spec("OPS-9", "MEM-13")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("policies: {}", "policies: a mapping is not a list; begin each row with `- `"),
        ("ladders: {slow: {rungs: {}}}", "ladders.slow.rungs: a mapping is not a list; begin each row with `- `"),
        ("state: []", "state: a list is not a text; write one word or sentence"),
        ("channels: {m: {type: email, tls: maybe}}", "channels.m.tls: 'maybe' is not a yes or no; use true or false"),
    ],
)
def test_a_fault_is_told_in_our_words(write, environ, text, said):
    """Nobody has to know what reads the file."""
    _, (note, *_) = check(write(text + "\n"), environ)
    assert note.text().endswith(said)
    assert "Input should" not in note.text()
