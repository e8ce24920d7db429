"""What the texts beside the code must hold: README, licence, lock, no path of one machine."""

import re
import tomllib
from pathlib import Path

from laws.source import CODE, Found, law

MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|mnt|work|tmp)/\w[\w.-]")


@law
def readme_lists_the_methods(root: Path) -> Found:
    stems = {path.stem for path in (root / "methods").glob("*.py")}
    named, in_table = set[str](), False
    readme = root / "README.md"
    for line in readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else ():
        cell = line.strip().removeprefix("|").partition("|")[0].strip()
        in_table = line.startswith("|") and (in_table or cell.lower() == "method")
        if in_table:
            named.update(re.findall(r"`([^`\s]+)[^`]*`", cell))
    for stem in sorted(stems ^ named):
        fault = "is missing in" if stem in stems else "is no file in methods/ but stands in"
        yield f"`{stem}` {fault} the README's table whose first column is 'Method'"


@law
def readme_says_each_kind(root: Path) -> Found:
    """Where a method says what it learns from, its row of the README's table does too."""
    readme = root / "README.md"
    lines = readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []
    rows = [line.strip().removeprefix("|").split("|") for line in lines if line.startswith("|")]
    for path in sorted((root / "methods").glob("*.py")):
        said = re.search(r'^    kind(?:: \S+)? = "(\w+)"$', path.read_text(encoding="utf-8"), re.M)
        families = [row[1] for row in rows if f"`{path.stem}`" in row[0]]
        if said and families and not re.search(rf"\b{said[1]}\b", families[0]):
            yield f"`{path.stem}` is of kind {said[1]}, its row in the README says{families[0]}"


@law
def licence_is_mit(root: Path) -> Found:
    licence = root / "LICENSE"
    if not licence.is_file() or not licence.read_text(encoding="utf-8").startswith("MIT License"):
        yield "LICENSE must hold the MIT licence that pyproject.toml names"


@law
def lock_is_plain_and_complete(root: Path) -> Found:
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    yield from (
        f"{pin!r} is no name==version" for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)
    )
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    groups = [project["build-system"]["requires"], project["project"]["dependencies"]]
    groups += project["project"]["optional-dependencies"].values()
    wanted, pinned = (
        {re.split("[<>=!~ ]", name)[0].lower().replace("_", "-") for name in names}
        for names in ([name for group in groups for name in group], pins)
    )
    yield from (f"{name} is not in requirements.lock" for name in sorted(wanted - pinned))


@law
def text_names_no_machine(root: Path) -> Found:
    kinds = {".py", ".md", ".toml", ".yaml", ".lock", ""}
    places = [*root.glob("*"), root / ".ci" / "run"]
    places += [path for name in (*CODE[:-1], "tests", "docs") for path in (root / name).rglob("*")]
    for path in places:
        if not path.is_file() or path.suffix not in kinds or path.name.startswith("."):
            continue
        if found := MACHINE_PATH.search(path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(root)} names a path of one machine: {found[0]}…"


@law
def the_map_names_what_is_there(root: Path) -> Found:
    guide = root / "docs" / "architecture.md"
    for name in re.findall(r"`([\w./-]+)`", guide.read_text(encoding="utf-8")):
        places = (root / name, root / "src" / "hashquant" / name)
        if ("/" in name or "." in name) and not any(place.exists() for place in places):
            yield f"docs/architecture.md names {name}, which is not there"
