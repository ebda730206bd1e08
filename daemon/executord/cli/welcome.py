"""The README that `init` leaves in a new memory: for people and agents who know nothing else [OPS-2, MSG-8]."""

README = """\
# This is the memory of a support organisation

`executord` runs what lies here. A planner leaves an instruction with its tasks, the daemon hands each task to the
right agent, follows the answers, and moves the task file `pending → in_progress → completed`.

    _communication/inbox/{agent}/     one YAML file per message; read your own inbox only
    _communication/inbox/executor/    where every answer goes
    {instruction}/                    one piece of work: instruction.yaml, workflow/plan.yaml, tasks/, outputs/
    _knowledge/  _archive/  _system/  no instructions

## If you are a worker

Your messages lie in `_communication/inbox/<your name>/`. A `delegation` is a task; it holds all you need, also two
filled examples of what to answer. Answer with a YAML file in `_communication/inbox/executor/`. Its name is free; write
it aside under a name that begins with a dot, then `mv` it into place, so that nobody reads half of it.

When you start:

    type: acknowledgement
    from: technical-support-engineer
    instruction_id: acme-42
    task_id: T3

While you are at it, at least as often as the task's priority asks for:

    type: progress
    from: technical-support-engineer
    instruction_id: acme-42
    task_id: T3
    percent: 40
    note: reproduced it; reading the gateway's log

When it is done. Files belong in `acme-42/outputs/partial/T3/`; without `output` or files it does not count:

    type: completion
    from: technical-support-engineer
    instruction_id: acme-42
    task_id: T3
    summary: Raised the gateway's connection limit; checkouts pass again.
    output: {root_cause: connection pool exhausted, fix: limit raised from 50 to 200}
    artifacts: [outputs/partial/T3/log.md]

When you cannot go on, say what stands in the way (`type: blocked`, `description: …`). When your attempt has failed,
`type: failed`, `reason: …`. When the task is not for you, `type: declined`, `reason: …`.

An answer that was taken is moved to `inbox/executor/.processed/`; one that was not, to `.rejected/`, with a
`.reason.yaml` beside it that says what to change, and the same comes to your inbox as `type: rejection`.

From a terminal the same is `executord respond acme-42/T3 --as technical-support-engineer --ack`.

## If you give work

`executord submit FILE`, with one file:

    instruction: {title: Checkout fails for EU customers, priority: high}
    plan: {tier: 2, tasks: [T1, T2]}
    tasks:
      - {id: T1, title: Find the cause, assigned_to: technical-support-engineer}
      - {id: T2, title: Write the answer to the customer, depends_on: [T1]}

## If you want to know or decide

`executord status`, `executord why acme-42/T3`, `executord retry|reassign|defer|cancel|hold|release …`. Files may be
edited and moved by hand; the daemon sees it and says so in `{instruction}/outputs/partial/journal.yaml`.
"""
