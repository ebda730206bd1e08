"""What people write in task, instruction and plan files, read into the values of `case/` [MEM-7, CON-2, EXE-1].

Tolerant in a fixed, documented way and loud about it: every oddity is a finding. Pure: a mapping in, values out;
`paper/` made the mapping from the bytes and finds the line of a field afterwards. `fields.py` has the spellings; the
others read one kind of file each.
"""

from __future__ import annotations

from executord.reading.fields import INSTRUCTION_FIELDS as INSTRUCTION_FIELDS
from executord.reading.fields import TASK_FIELDS as TASK_FIELDS
from executord.reading.fields import Spellings as Spellings
from executord.reading.fields import find as find
from executord.reading.fields import safe_stem as safe_stem
from executord.reading.fields import text_of as text_of
from executord.reading.fields import unwrap as unwrap
from executord.reading.instructions import read_instruction as read_instruction
from executord.reading.plans import read_plan as read_plan
from executord.reading.tasks import read_task as read_task
