"""Stored files damaged in many ways, and what the readers that verbs use make of them.

`mutations` damages bytes and values, `stored` builds what is damaged and reads it, `outcomes`
judges: no traceback, and nothing that changed without being named. `python -m fuzz 200` from
`tests/`, with `src` on the path, prints the table without the checks of types that tests have.
"""
