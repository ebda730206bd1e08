"""A team session on paper: what its files say, what has happened in it, and what is to be done [chapter 7].

Counterpart: `sessions/`, which reads and writes the folder and keeps the workers. Nothing here sees a disk, a clock
or a process: `shapes` reads what others wrote, `fold` what the journal says, `rules` say what comes next, `texts` and
`views` are what people, workers and programs are shown.
"""
