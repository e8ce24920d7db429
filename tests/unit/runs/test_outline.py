import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAD = "import sys\nsys.path[:0] = sys.argv[1:]\n"
#: Prints every cell of every suite with all methods, and whether torch came in.
PLANS = """
import dataclasses, json, sys
from hashquant.plugins import registry
from hashquant.settings.suite import canonical_json, read_suite
from hashquant.runs.outline import outline
for name, path in registry.suites().items():
    suite = dataclasses.replace(read_suite(path), methods=tuple(registry.methods()))
    found = outline(name, suite, device="cpu")
    print(json.dumps([name, found.note, dict(found.broken)]))
    for c in found.cells:
        print(canonical_json([c.spec, c.status, c.reason, c.targets, c.options]))
print(sorted({"torch", "torchvision", "jaxtyping", "PIL"} & set(sys.modules)))
"""
#: Outlines one method whose file lies in the folder given.
ONE = """
import dataclasses
import hashquant.methods
from hashquant.settings.suite import Suite
from hashquant.runs.outline import outline
hashquant.methods.__path__.append(sys.argv[1])
suite = dataclasses.replace(Suite(), methods=("own", "itq"), bits=(16,))
found = outline("s", suite, device="cpu")
for c in found.cells:
    print(c.spec.label, c.spec.bits, c.status or "fine", c.reason)
print("note:", found.note)
print("torch" in sys.modules)
"""
METHOD = '''"""Own."""
import torch
from torch import Tensor, nn
import hashquant.api as hq
{top}
class Own(hq.Method):
    """Own."""
    name = "own"
    family = hq.Binary()
    @classmethod
    def budget_for(cls, config: object, bits: int) -> hq.CodeBudget:
        {body}
        return hq.CodeBudget(bits)
    @torch.no_grad()
    def forward(self, features: Tensor | None) -> "Tensor":
        return features
'''


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, *map(str, arguments), str(ROOT / "src")],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_plan_made_without_torch_is_the_plan_made_with_it():
    without, with_torch = python(PLANS), python("import torch\n" + PLANS)
    assert without[-1] == "[]"
    assert "'torch'" in with_torch[-1]
    assert without[:-1] == with_torch[:-1]
    heads = [json.loads(line) for line in without if line.endswith('"", {}]')]
    assert {head[0] for head in heads} == {p.stem for p in (ROOT / "benchmarks").glob("*.yaml")}
    assert len(without) > 500


@pytest.fixture
def outlined(tmp_path):
    def run(top="", body="pass", text=None):
        (tmp_path / "own.py").write_text(text or METHOD.format(top=top, body=body))
        return python(ONE, tmp_path)

    return run


def test_a_plug_in_declares_itself_without_torch(outlined):
    top = "SHIFT = torch.tensor([1.0, 2.0])\nclass Layer(nn.Module):\n    pass\n"
    assert outlined(top) == ["own 16 fine ", "itq 16 fine ", "note: ", "False"]


@pytest.mark.parametrize(
    ("top", "body"),
    [
        ("LIMIT = int(torch.tensor([3]).sum())", "pass"),
        ("", "bits = torch.tensor(bits).item()"),
        ("LONG = torch.tensor(3) > 2", "pass"),
        # A plug-in that handles its failures must not hide from us that it computed.
        ("try:\n    N = len(torch.arange(3))\nexcept Exception:\n    N = 0", "pass"),
    ],
)
def test_a_plug_in_that_computes_is_planned_with_torch(outlined, top, body):
    *cells, note, torch_came = outlined(top, body)
    assert cells == ["own 16 fine ", "itq 16 fine "]
    assert note.startswith("note: ")
    assert note != "note: "
    assert torch_came == "True"


def test_a_broken_plug_in_says_what_it_says_in_a_run(outlined):
    text = '"""Own."""\nimport no_such_package\n'
    reason = "'own' cannot be imported (ModuleNotFoundError: No module named 'no_such_package')"
    assert outlined(text=text)[:2] == [f"own 16 failed {reason}", "itq 16 fine "]
    assert "must define one Method subclass, got 0" in outlined(text='"""Own."""\n')[0]


def test_a_method_that_refuses_the_bits_needs_no_torch(outlined):
    lines = outlined(body='raise hq.BudgetError("bits must be even, got odd")')
    assert lines == ["own 16 skipped bits must be even, got odd", "itq 16 fine ", "note: ", "False"]
