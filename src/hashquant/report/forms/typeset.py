"""One sheet of tables in every form that a paper takes."""

from hashquant.report.forms.display import Sheet
from hashquant.report.forms.latex import latex
from hashquant.report.forms.markdown import markdown


def typeset(sheet: Sheet, digest: str) -> dict[str, str]:
    """Return the files of a sheet (name → text): Markdown, and LaTeX where it has a table."""
    texts = {f"{sheet.name}.md": markdown(sheet, digest)}
    if any(len(display.frame) for display in sheet.displays):
        texts[f"{sheet.name}.tex"] = latex(sheet, digest)
    return texts
