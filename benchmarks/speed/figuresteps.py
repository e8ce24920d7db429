"""Where the time of a report's figures goes, step by step, in one process."""

import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hashquant.report.drawing import painters
from hashquant.report.drawing.files import write_files

#: The step that is none of matplotlib's: making axes, lines and legends.
MAKING = "making"


def drawing_steps(write: Callable[[], object]) -> dict[str, float]:
    """Return the processor seconds of each step of the figures that `write` draws by itself.

    Layout and formats are matplotlib's own code; what is left of a figure's time is `MAKING`.
    """
    spent: dict[str, float] = {MAKING: 0.0, "layout": 0.0}
    save, lay_out, whole = Figure.savefig, ConstrainedLayoutEngine.execute, write_files

    def timed(step: str, work: Callable[..., Any], *given: Any, **named: Any) -> Any:  # Any: theirs
        began = time.process_time()
        try:
            return work(*given, **named)
        finally:
            took = time.process_time() - began
            spent[step] = spent.get(step, 0.0) + took
            if step != MAKING:
                spent[MAKING] -= took

    def saved(figure: Figure, target: object, **named: Any) -> Any:  # Any: matplotlib's keywords
        return timed(str(named["format"]).upper(), save, figure, target, **named)

    def laid_out(engine: ConstrainedLayoutEngine, figure: Figure) -> Any:  # Any: as matplotlib's
        return timed("layout", lay_out, engine, figure)

    def drawn(*given: Any, **named: Any) -> Any:  # Any: those of `write_files`
        return timed(MAKING, whole, *given, **named)

    with (
        patch.object(Figure, "savefig", saved),
        patch.object(ConstrainedLayoutEngine, "execute", laid_out),
        patch.object(painters, "write_files", drawn),
    ):
        write()
    return spent
