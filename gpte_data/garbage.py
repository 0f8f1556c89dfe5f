"""Python's search for garbage in cycles, made rarer in our own processes.

A stage makes and drops thousands of small objects a second, nearly none of them in a cycle, while
others wait for their answers: looking through all of them as often as Python does by default takes
a tenth of the time of a run (docs/performance.md).
"""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 50
"""New objects between two looks at them; such looks between two at what is older, and so on."""


def collect_seldom() -> None:
    """Look for garbage less often, and never among what was imported before."""
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
