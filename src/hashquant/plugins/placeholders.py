"""Placeholders for packages that are slow to import, so that plug-ins can say what they declare.

A class body needs of torch only names: a base, a decorator, an annotation. While `placeholders()`
is in force such names are placeholders; whoever computes with one is stopped by `NeedsImport`.
"""

import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Never

from hashquant.errors import HashQuantError

#: Packages that declarations only mention. numpy is not among them: it is quick, and constants
#: such as `np.pi` are declared with it.
SLOW = ("torch", "torchvision", "jaxtyping", "PIL", "faiss", "numba", "safetensors", "scipy",
        "sklearn", "pandas")  # fmt: skip

#: Packages that cannot be imported twice; they import none of the slow ones by themselves.
_ONCE = ("numpy", "pyarrow", "h5py")


class NeedsImport(BaseException):
    """Something was computed with a placeholder: the plug-in needs the real package.

    No Exception: a plug-in that handles failures of its own must not take this for one.
    """


def _refuse(self: "Placeholder", *arguments: object) -> Never:
    raise NeedsImport(f"{self!r} is used")


class Placeholder:
    """What stands for a name of a package: a base, an annotation, a default; never a value."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __repr__(self) -> str:
        return self._path

    def __getattr__(self, name: str) -> "Placeholder":
        if name.startswith("__"):
            raise AttributeError(f"{self._path}.{name}")
        return Placeholder(f"{self._path}.{name}")

    def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
        return ()  # a base that adds nothing

    def __getitem__(self, key: object) -> "Placeholder":
        return self  # Float[Tensor, "n d"]

    def __or__(self, other: object) -> "Placeholder":
        return self  # Tensor | None

    __ror__ = __or__

    def __call__(self, *arguments: object, **options: object) -> object:
        """Leave a decorated function as it is; for all else, such as a constant, stand in again."""
        if len(arguments) == 1 and not options and inspect.isroutine(arguments[0]):
            return arguments[0]
        return Placeholder(f"{self._path}(…)")

    __hash__ = object.__hash__
    __bool__ = __len__ = __iter__ = __contains__ = __str__ = __format__ = _refuse
    __int__ = __float__ = __index__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = _refuse
    __rtruediv__ = __floordiv__ = __rfloordiv__ = __pow__ = __rpow__ = __neg__ = __abs__ = _refuse


class _Module(ModuleType):
    """A module all of whose names are placeholders, but for those of its own modules."""

    def __getattr__(self, name: str) -> Placeholder:
        if name.startswith("__"):
            raise AttributeError(f"{self.__name__}.{name}")
        return Placeholder(f"{self.__name__}.{name}")


class _Finder:
    """Find placeholders in place of installed packages; what is not installed stays missing."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, dot, _ = name.partition(".")
        if top not in SLOW or (not dot and PathFinder.find_spec(top) is None):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]  # loads too

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it was made."""


@contextmanager
def placeholders() -> Iterator[None]:
    """Serve placeholders for what is slow to import; at the end forget all that saw them.

    Where torch is imported already nothing is gained, and nothing done. The engine's modules and
    third parties' that are first imported here are imported anew when they are used again.

    Raises:
        NeedsImport: if the block computes with a placeholder, or fails in no foreseen way.
    """
    if "torch" in sys.modules:
        yield
        return
    importlib.import_module("numpy")  # for good: it cannot be imported twice
    before = set(sys.modules)
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    except HashQuantError:
        raise
    except Exception as error:  # whether it fails by itself is seen with the real packages
        raise NeedsImport(f"{type(error).__name__}: {error}") from error
    finally:
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            _forget(name)


def _forget(name: str) -> None:
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top in _ONCE:
        return
    parent, _, stem = name.rpartition(".")
    module = sys.modules.pop(name)
    if parent in sys.modules and vars(sys.modules[parent]).get(stem) is module:
        delattr(sys.modules[parent], stem)
