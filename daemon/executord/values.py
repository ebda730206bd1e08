"""What people write for names, priorities, times and spans, as values.

Counterpart: `paper/` turns text into plain data; this file says what one scalar of that data means.

Rules of the house:
- Reading never raises. What is not understood is None, and `why_not` has the words for it [MEM-13].
- No clock and no configuration: the zone and the end of a business day come in as arguments.
- Hours stay apart from days and weeks, because how long a day is depends on the calendar [SLA-4].
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from executord.errors import BadInput

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400

FIX_DURATION: Final = 'use e.g. "4 hours" or a date'
FIX_MOMENT: Final = 'use e.g. "2026-11-20T10:15:00Z"'

_MOST_DIGITS: Final = 4000  # Python converts 4300

# --- names -----------------------------------------------------------------------------------------------------------

_GAP = re.compile(r"[\s_-]+")
_MENTION = " \t\n@`\"'" + "".join(map(chr, (0x2018, 0x2019, 0x201C, 0x201D)))  # `@technical-writer`, and in quotes
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def agent_name(text: str) -> str:
    """The name under which an agent is compared and addressed [MEM-8].

    `support:technical_support_engineer` and `Technical Support Engineer` are both `technical-support-engineer`.
    May be empty, and may hold what no file name should: test it with `safe_id` before making a path of it.
    """
    last = unicodedata.normalize("NFC", text).rpartition(":")[2].lower().strip(_MENTION)
    return unicodedata.normalize("NFC", _GAP.sub("-", last).strip("-"))


def safe_id(text: str) -> bool:
    """Whether an id can be part of a path: letters, digits, `._-`, at most 100, no `..`, no leading dot or dash."""
    return _SAFE.fullmatch(text) is not None and ".." not in text


# --- priority, severity, tier ----------------------------------------------------------------------------------------

Priority = Literal["critical", "high", "medium", "low"]

_PRIORITIES: Final[dict[str, Priority]] = {
    **dict.fromkeys(("critical", "urgent", "blocker", "p0", "1"), "critical"),
    **dict.fromkeys(("high", "major", "p1", "2"), "high"),
    **dict.fromkeys(("medium", "normal", "moderate", "p2", "3"), "medium"),
    **dict.fromkeys(("low", "minor", "p3", "4"), "low"),
}
_DASHES: Final = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")  # every dash that is typed for a hyphen
_WORD_GAP = re.compile(r"[\W_]+")  # `High 🔥` and `URGENT!` too
_SEVERITY = re.compile(r"(?:sev(?:erity)?[\s_:-]*)?([1-4])(?:\s*[(:-].*)?", re.S)
_TIER = re.compile(r"(?:tier[\s_:-]*)?([0-4])(?![\w.])(?!\s*[-/|,]\s*\d)[\s(:,-].*|(?:tier[\s_:-]*)?([0-4])", re.S)


def priority(value: object) -> Priority | None:
    """One of critical, high, medium, low; None if it says none of them, or two that differ [MEM-7].

    Any case; `1` to `4`, `P0` to `P3`; `P1 - High` and `high priority` too. `Sev 1` is another axis: None.
    """
    head, _, remark = _scalar(value).lower().partition("(")
    said = {_PRIORITIES.get(word) for word in _WORD_GAP.split(head) if word and word not in ("priority", "prio")}
    found = said | {_PRIORITIES[word] for word in _WORD_GAP.split(remark) if said and word in _PRIORITIES}
    return found.pop() if len(found) == 1 else None


def severity(value: object) -> int | None:
    """1 to 4 from `Sev 1`, `sev-2`, `SEV3`, `severity 4`, `1`; else None. The axis of incidents [MEM-7]."""
    hit = _SEVERITY.fullmatch(_scalar(value).lower())
    return int(hit[1]) if hit else None


def tier(value: object) -> int | None:
    """0 to 4 from `3`, `3 (complex)`, `tier_3`, `Tier 2 - sequential`; else None (chapter 4)."""
    hit = _TIER.fullmatch(_scalar(value).lower())
    return int(hit[1] or hit[2]) if hit else None


def _scalar(value: object) -> str:
    """A text or whole number as trimmed text; everything else is no scalar we read: empty."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value).translate(_DASHES).strip()
    if isinstance(value, int) and not isinstance(value, bool) and -(10**15) < value < 10**15:
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    return ""


# --- moments ---------------------------------------------------------------------------------------------------------

DayEnd = Callable[[date], datetime]

_MOMENT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:\s*T\s*|\s*,\s*|\s+)(?:at\s+)?"
    r"(?:(?P<eod>eod|eob|cob|end of (?:business )?day|end of business|close of business)"
    r"|(?P<h>\d{1,2})(?::(?P<m>\d{2})(?::(?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?|(?=\s*[ap]\.?m))"
    r"(?:\s*(?P<half>[ap])\.?m\.?(?![a-z]))?"
    r"\s*(?P<zone>[A-Z][A-Z_/+-]*(?:[+-]?\d[\d:]*)?|[+-]\d[\d:]*)?))?",
    re.I,
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)?(.*))?", re.I | re.S)
# The other orders in which a date says by itself what is the day and what the month. `11/12/2026` does not.
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DAY_OF = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})(?!\d)"
_ORDERS: Final = tuple(
    re.compile(rf"(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,?\s+)?{order}", re.I | re.S)
    for order in (
        rf"{_DAY_OF}\.?[\s-]+(?:of\s+)?{_MONTH},?[\s-]+{_YEAR}(?P<rest>.*)",  # 25 Nov 2026; as mails write it
        rf"{_MONTH}\s+{_DAY_OF},?\s+{_YEAR}(?P<rest>.*)",  # Nov 25, 2026; as JavaScript writes it
        rf"{_MONTH}\s+{_DAY_OF}(?P<rest>\s+\d\d?:\d\d.*)\s{_YEAR}",  # Wed Nov 25 17:00:00 UTC 2026, as `date` does
        rf"(?P<day>\d{{1,2}})\.\s?(?P<month>\d{{1,2}})\.\s?{_YEAR}(?P<rest>.*)",  # 25.11.2026
        rf"{_YEAR}/(?P<month>\d{{1,2}})/(?P<day>\d{{1,2}})(?P<rest>(?!\d).*)",  # 2026/11/25
    )
)
_REMARK = re.compile(r"\s*\([^()]*\)\Z")  # `(Central European Standard Time)`
_EPOCH = re.compile(r"(\d{10}|(?P<ms>\d{13}))(?:\.\d+)?")  # seconds or milliseconds since 1970: 2001 to 2286
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?")

# Only abbreviations that mean one thing: RFC 5322 and the European ones. IST, BST and their like do not.
_ABBREVIATIONS: Final = {
    **dict.fromkeys(("Z", "UTC", "GMT", "UT", "ZULU", "WET"), 0),
    **dict.fromkeys(("CET", "WEST"), 1),
    **dict.fromkeys(("CEST", "EET"), 2),
    "EEST": 3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}


def read_moment(
    value: object, zone: tzinfo, *, bare: Literal["end", "start"] = "end", day_end: DayEnd | None = None
) -> datetime | None:
    """An instant in UTC from what a field holds, else None [MEM-4].

    Understood are datetimes and dates, `2026-01-10T14:00:00+01:00`, `2026-01-10 14:00`, `… 14:00 UTC`, `… CET`,
    `… Europe/Berlin`, `… UTC+2`, and `2026-01-11 EOD`; dates with the month's English name, `25.11.2026` and
    `2026/11/25`; seconds or milliseconds since 1970. Without a zone it is local time in `zone`: ambiguous = first
    occurrence, non-existent = offset before the gap. A bare date is the end of that business day (`bare="end"`,
    for deadlines) or local midnight (`bare="start"`, for times of creation). The end of a day is `day_end(date)`,
    without it 24:00 in `zone`. Other numbers are no moments, and `11/12/2026` is none: nobody knows its month.
    """
    try:
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
        if isinstance(value, date):
            return _bare(value, zone, bare, day_end)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 10**7 <= value < 10**13:
            value = str(value)
        if isinstance(value, str) and len(value) <= 80:
            return _moment(value.translate(_DASHES).strip(), zone, bare, day_end)
        return None
    except (ValueError, OverflowError):
        return None


def _moment(text: str, zone: tzinfo, bare: str, day_end: DayEnd | None) -> datetime | None:
    hit = _MOMENT.fullmatch(text) or _MOMENT.fullmatch(_year_first(text))
    if hit is None or not text.isascii():
        return _since_epoch(text)
    on = date(int(hit[1]), int(hit[2]), int(hit[3]))
    if hit["eod"] or hit["h"] is None:
        return _bare(on, zone, "end" if hit["eod"] else bare, day_end)
    hour, minute, second = int(hit["h"]), int(hit["m"] or 0), int(hit["s"] or 0)
    if hit["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if hit["half"] in "pP" else 0)
    if hour == 24 and minute == second == 0:  # ISO 8601's end of the day
        on, hour = on + timedelta(days=1), 0
    micro = int((hit["f"] or "").ljust(6, "0")[:6])
    local = datetime.combine(on, time(hour, minute, second, micro))
    where = _zone(hit["zone"], zone, local) if hit["zone"] else zone
    return local.replace(tzinfo=where).astimezone(UTC) if where else None


def _year_first(text: str) -> str:
    """A date in one of the other orders, in the one that `_MOMENT` knows; any other text as it is."""
    if basic := _BASIC.fullmatch(text):
        year, month, day, hour, minute, second, rest = basic.groups()
        return f"{year}-{month}-{day}" + (f"T{hour}:{minute}:{second or '00'}{rest}" if hour else "")
    other = next((hit for order in _ORDERS if (hit := order.fullmatch(text))), None)
    if other is None:
        return text
    name = other["month"].lower()[:3]
    month = _MONTHS.index(name) + 1 if name in _MONTHS else int(name)
    return f"{other['year']}-{month}-{other['day']}{_REMARK.sub('', other['rest'])}"


def _since_epoch(text: str) -> datetime | None:
    hit = _EPOCH.fullmatch(text) if text.isascii() else None
    return datetime.fromtimestamp(float(text) / (1000 if hit["ms"] else 1), UTC) if hit else None


def _bare(on: date, zone: tzinfo, bare: str, day_end: DayEnd | None) -> datetime:
    if bare == "start":
        return datetime.combine(on, time(), zone).astimezone(UTC)
    if day_end is not None:
        return day_end(on).astimezone(UTC)
    return datetime.combine(on + timedelta(days=1), time(), zone).astimezone(UTC)


def _zone(text: str, default: tzinfo, local: datetime) -> tzinfo | None:
    """What a zone written behind a time means; None if nobody knows for sure."""
    if hit := _OFFSET.fullmatch(text.upper()):
        sign = -1 if hit[1] == "-" else 1
        if int(hit[3] or 0) > 59 or int(hit[4] or 0) > 59:
            return None
        span = timedelta(hours=int(hit[2]), minutes=int(hit[3] or 0), seconds=int(hit[4] or 0))
        return timezone(sign * span) if span < timedelta(days=1) else None
    for fold in (0, 1):  # first the configured zone's own: IST in Asia/Kolkata, CST in Asia/Shanghai
        here = local.replace(tzinfo=default, fold=fold)
        if here.tzname() == text and (offset := here.utcoffset()) is not None:
            return timezone(offset)
    if text.upper() in _ABBREVIATIONS:
        return timezone(timedelta(hours=_ABBREVIATIONS[text.upper()]))
    return zone_named(text) if "/" in text else None


def zone_named(name: str) -> ZoneInfo | None:
    """The IANA zone of that name, else None."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; `../etc`; a folder such as `Europe`
        return None


def stamp(moment: datetime) -> str:
    """An aware instant as we write it: `2026-11-20T10:15:00Z`, a fraction only if it is not 0 [CON-0]."""
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError("a moment without a zone is no instant")
        moment = moment.astimezone(UTC)
    return _stamped(moment)


@lru_cache(maxsize=4096)
def _stamped(moment: datetime) -> str:
    """Of an instant in UTC, where equal ones are written equally; the same few are written again and again."""
    text = moment.isoformat()
    return f"{text[:19]}Z" if len(text) == 25 else f"{text[:26].rstrip('0')}Z"


def read_stamp(text: str) -> datetime:
    """The instant of a stamp of ours, in UTC: the inverse of `stamp` [CON-0].

    Raises BadInput for anything that is not RFC 3339 with a zone.
    """
    try:
        return _instant(text)
    except (ValueError, TypeError, OverflowError):
        pass
    raise BadInput(why_not(text, "time"), fix=FIX_MOMENT)


def noted_instant(facts: Mapping[str, Any], key: str) -> datetime | None:
    """The instant that a line of the journal notes under this key of its facts, None if it notes none."""
    value = facts.get(key)
    return read_stamp(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime:
    """The same instant for the same text: the lines of a journal were noted many at a time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


# --- spans -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Amount:
    """How long something may take, with days and weeks not yet turned into time [MEM-9] [SLA-4].

    `seconds` are the hours, minutes and seconds written; `days` and `weeks` may be fractions. `business` is true if
    the text itself says so (`open hours`, `business days`, `working day`): it changes a cadence [SLA-21], while a
    target always counts in the time of its calendar.
    """

    seconds: int = 0
    days: Fraction = Fraction(0)
    weeks: Fraction = Fraction(0)
    business: bool = False

    def of(self, day: int = DAY, week: int = 7 * DAY) -> int:
        """Whole seconds, where a day and a week are so many seconds."""
        return self.seconds + round(self.days * day + self.weeks * week)

    def words(self) -> str:
        """The amount as a person writes it: `3 business days`, `2 h 30 min`; `immediate` for nothing."""
        hours, rest = divmod(self.seconds, HOUR)
        minutes, seconds = divmod(rest, MINUTE)
        kind = "business " if self.business else ""
        parts = [f"{float(n):g} {kind}{unit}{'' if n == 1 else 's'}" for n, unit in self._dates() if n]
        clock = ((hours, f"{'open ' if self.business else ''}h"), (minutes, "min"), (seconds, "s"))
        return " ".join(parts + [f"{n} {unit}" for n, unit in clock if n]) or "immediate"

    def _dates(self) -> tuple[tuple[Fraction, str], ...]:
        return (self.weeks, "week"), (self.days, "day")


@dataclass(frozen=True, slots=True)
class Span:
    """A duration as MEM-9 reads it: the lower end is aimed at, the upper is promised.

    `limit` is None only for `immediate` alone: the policy's limit holds. `single` is true if one value was written,
    which then is both ends. `text` is what stood there.
    """

    target: Amount
    limit: Amount | None
    text: str
    single: bool


@dataclass(frozen=True, slots=True)
class MomentText:
    """A field that could be a duration and holds a moment or a date; `read_moment` makes an instant of it."""

    value: str | date
    text: str


_LONGEST = 100 * 366 * DAY  # longer than a century is a slip of the pen, and overflows dates
_NUMBER = r"\d+(?:\.\d+)?|\d+,\d{1,2}(?!\d)|\.\d+"
_KIND = r"(?:business|working|work|open|office)"
_UNIT = (
    r"(?P<s>seconds?|secs?|s)|(?P<m>minutes?|mins?|m)|(?P<h>hours?|hrs?|h)"
    r"|(?P<d>days?|d)|(?P<w>weeks?|wks?|w)"
)
_PART = re.compile(rf"(?P<n>{_NUMBER})\s*(?:(?P<kind>{_KIND})[\s.]*)?(?:(?:{_UNIT})(?![a-z])\.?|(?=\d|$))")
_ISO = re.compile(
    rf"p(?=[\dt.])(?:(?P<w>{_NUMBER})w)?(?:(?P<d>{_NUMBER})d)?"
    rf"(?:t(?=[\d.])(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m)?(?:(?P<s>{_NUMBER})s)?)?"
)
_BEFORE = re.compile(
    r"(?:[<≤~≈]=?|(?:within|up to|at most|no more than|no later than|not more than|less than|under|below|max|maximum"
    r"|in|about|around|approx|approximately|ca|circa|every|each|once every|once per|once a|per)\b\.?)\s*"
)
_AFTER = re.compile(r"\s*(?:max(?:imum)?\.?|or less|at most|tops|total|each)$")
_BRACKET = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*$")
_RANGE = re.compile(r"\s*(?:-|\bto\b|\band\b(?=.*\bbetween\b)|\.\.+)\s*")
_WORDS: Final = {
    "a": "1",
    "an": "1",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "twelve": "12",
    "half a": "0.5",
    "half an": "0.5",
    "half": "0.5",
}
_WORD = re.compile(rf"\b(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})\b(?=\s+[a-z])")
_RHYTHM: Final = {"hourly": "1 h", "daily": "1 d", "weekly": "1 w", "hour": "1 h", "day": "1 d", "week": "1 w"}
_AT_ONCE = frozenset(("immediate", "immediately", "at once", "now", "instant"))
_NOTHING = Amount()


def read_span(value: object) -> Span | MomentText | None:
    """What a field for a duration holds: a span, the text of a moment, or None if it is not understood [MEM-9].

    A number, also as text, is hours. None is told to the writer with `why_not`, and the policy's value is used.
    """
    if isinstance(value, (datetime, date)):
        return MomentText(value, str(value))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or not 0 <= value * HOUR <= _LONGEST:
            return MomentText(str(value), str(value)) if read_moment(value, UTC) is not None else None
        amount = Amount(seconds=round(Fraction(value) * HOUR))
        return Span(amount, amount, str(value), single=True)
    if not isinstance(value, str) or len(value) > 200:
        return None
    return _read_span_text(str(value))


@lru_cache(maxsize=4096)  # thousands of tasks say "2 hours"; what a text means never changes
def _read_span_text(text: str) -> Span | MomentText | None:
    if read_moment(text, UTC) is not None:
        return MomentText(text, text.strip())
    ends = _ends(_plain(text))
    if ends is None:
        return None
    low, high = ends
    if high is not None:
        return Span(*((low, high) if low.of() <= high.of() else (high, low)), text.strip(), single=False)
    return Span(low, None if low is _NOTHING else low, text.strip(), single=True)


def read_target(value: object, zone: tzinfo, *, day_end: DayEnd | None = None) -> Span | datetime | None:
    """`read_span` with moments resolved to instants in UTC: bare dates and EOD by `day_end` [MEM-9]."""
    found = read_span(value)
    return read_moment(found.value, zone, day_end=day_end) if isinstance(found, MomentText) else found


def effort_seconds(value: object) -> int | None:
    """Seconds of work that an estimate names, None if it is not understood [MEM-7].

    A number is hours, a day of work 8 h, a week 40 h; of a range the upper end.
    """
    if isinstance(value, str) and len(value) <= 200:
        return _effort_of(str(value))
    return _effort(read_span(value))


@lru_cache(maxsize=4096)
def _effort_of(text: str) -> int | None:
    return _effort(read_span(text))


def _effort(found: Span | MomentText | None) -> int | None:
    if not isinstance(found, Span):
        return None
    return (found.limit or found.target).of(day=8 * HOUR, week=40 * HOUR)


def why_not(value: object, what: str = "duration") -> str:
    """The words for a value that is not understood: `'soonish' is not a duration` [MEM-13]; long values are cut."""
    if value is None:
        return f"an empty value is not a {what}"
    if isinstance(value, dict):
        return f"a mapping is not a {what}"
    if isinstance(value, (list, tuple, set)):
        return f"a list is not a {what}"
    text = str(value).replace("\n", " ")
    return f"'{text if len(text) <= 60 else text[:57] + '…'}' is not a {what}"


_CLI_SPAN = re.compile(r"(?=\d)(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def cli_span(text: str) -> int:
    """Seconds of a span on the command line: `90s`, `15m`, `2h30m`, `1d` of 24 h [CON-0].

    Raises BadInput for anything else.
    """
    hit = _CLI_SPAN.fullmatch(text.strip()) if text.isascii() and len(text) <= 40 else None
    if hit is None:
        raise BadInput(f"not a duration: {text[:60]!r}", code="CON-0", fix="use e.g. 90s, 15m, 2h30m or 1d")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in hit.groups())
    return ((weeks * 7 + days) * 24 + hours) * HOUR + minutes * MINUTE + seconds


def _plain(text: str) -> str:
    """The text in the one spelling that the patterns know: lower case, plain dashes, digits, no remarks."""
    text = unicodedata.normalize("NFKC", text).lower().translate(_DASHES).replace("_", " ").strip()
    text = _BRACKET.sub("", text)
    text = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)  # business-days
    text = re.sub(r"(?<=[\d])\s*-\s*(?=[a-z])(?!immediate|pt?\d)", " ", text)  # 30-minute
    text = re.sub(r"^between\s+(.*?)\s+and\s+", r"\1 - ", text)
    return re.sub(r"\s+", " ", text).strip()


def _ends(text: str) -> tuple[Amount, Amount | None] | None:
    """The two ends of a range, or one amount and None."""
    text = _AFTER.sub("", text)
    if before := _BEFORE.match(text):
        text = text[before.end() :]
    cut = _RANGE.split(text)
    if len(cut) == 1:
        amount = _amount(text)
        return None if amount is None else (amount, None)
    if len(cut) != 2:
        return None
    left, right = cut
    low_bare, high_bare = _is_number(left), _is_number(right)
    low = _amount(left, like=right if low_bare and not high_bare else "")
    high = _amount(right, like=left if high_bare and not low_bare else "")
    if low is None or high is None:
        return None
    if (high_bare or low_bare) and low.of() > high.of():  # `30 minutes - 2`, `2026-01`: whatever it means, not this
        return None
    return low, high


def whole_number(text: str) -> int | None:
    """The number that these digits say; None for anything else, and for more digits than anybody counts with."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text) is not None


def _amount(text: str, like: str = "") -> Amount | None:
    """One end: `4 hours`, `1 day 4 hours`, `pt2h30m`, `immediate`; a bare number has the first unit of `like`."""
    if like:
        hit = re.search(rf"(?:{_KIND}\s*)?(?:{_UNIT})(?![a-z])", like)
        text = f"{text} {hit[0]}" if hit else ""
    text = _RHYTHM.get(text, text)
    if text in _AT_ONCE:
        return _NOTHING
    if iso := _ISO.fullmatch(text):
        return _total([(iso[unit], unit) for unit in "wdhms" if iso[unit]], business=False)
    text = _WORD.sub(lambda hit: _WORDS[hit[0]], text)
    parts: list[tuple[str, str]] = []
    business = False
    while text:
        hit = _PART.match(text)
        if hit is None:
            return None
        unit = next((name for name in "smhdw" if hit[name]), "")
        if not unit and (parts or hit.end() != len(text) or hit["kind"]):
            return None  # a number without a unit stands alone: it is hours
        parts.append((hit["n"], unit or "h"))
        business = business or hit["kind"] is not None
        text = re.sub(r"^\s*(?:,|and\b|\+|&)?\s*", "", text[hit.end() :])
    return _total(parts, business=business) if parts else None


_SECONDS: Final = {"s": 1, "m": MINUTE, "h": HOUR}


def _total(parts: list[tuple[str, str]], *, business: bool) -> Amount | None:
    sums = dict.fromkeys("smhdw", Fraction(0))
    for number, unit in parts:
        sums[unit] += Fraction(number.replace(",", "."))
    seconds = sum((sums[unit] * size for unit, size in _SECONDS.items()), Fraction(0))
    if not parts or len({unit for _, unit in parts}) != len(parts):  # `2h 3h` is a slip
        return None
    if seconds + sums["d"] * DAY + sums["w"] * 7 * DAY > _LONGEST:
        return None
    return Amount(round(seconds), sums["d"], sums["w"], business)
