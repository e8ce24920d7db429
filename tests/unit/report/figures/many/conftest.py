"""A field of many rows, of kinds, on two targets."""

import dataclasses

import pytest

from hashquant.report.blocks import select_blocks
from hashquant.report.drawing.kinds import in_parts
from hashquant.report.drawing.style import looks
from hashquant.report.naming import named_looks
from hashquant.report.rows import row_families
from hashquant.settings.names import Names

PAIRS = [f"pair{i}" for i in range(5)]
CENTRES = [f"centre{i}" for i in range(6)]
METHODS = [*PAIRS, *CENTRES, "itq", "opqn", "float", "random"]
NAMES = Names(
    kinds=dict.fromkeys(PAIRS, "pairs") | dict.fromkeys(CENTRES, "centres") | {"itq": "fitted"}
)


class Field:
    """Records of 15 rows, their blocks and their looks."""

    def __init__(self, make) -> None:
        evals = [
            dataclasses.replace(
                make.evaluation(0.8 - METHODS.index(m) / 30 + b / 500, method=m, bits=b, target=t),
                protocol=protocol,
            )
            for m in METHODS for b in (16, 24)
            for t, protocol in (("lfw", "seen"), ("lfw-unseen", "unseen"))
        ]  # fmt: skip
        self.records = make.records(evals, [make.training(method=m) for m in METHODS])
        self.names = NAMES
        self.blocks = select_blocks(self.records, None, NAMES)
        self.look = in_parts(named_looks(looks(row_families(self.records)), NAMES), NAMES)


@pytest.fixture
def field(make) -> Field:
    return Field(make)


def inside(figure) -> bool:
    """Tell whether all that a figure holds lies on it."""
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    page = figure.bbox
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes if axes.axison]
    boxes += [legend.get_window_extent(renderer) for legend in figure.legends]
    return all(
        page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 and page.y0 - 1 <= box.y0
        and box.y1 <= page.y1 + 1
        for box in boxes
    )  # fmt: skip


@pytest.fixture(name="inside")
def is_inside():
    return inside
