"""A copy of a run folder that can be given away."""

from __future__ import annotations

import shutil
from pathlib import Path

from unteach.errors import OutputError
from unteach.model.disk import whole_disk
from unteach.report import redact as page
from unteach.run.folder import RunFolder, require_new, unfinished_name
from unteach.run.pipeline import write_report


def redact(folder: Path, out: Path, *, with_model: bool = False) -> tuple[str, ...]:
    """Write the copy, with its report, into a new folder whole; returns what was removed, a line each.

    Raises:
        OutputError: `folder` is no run, or `out` holds something or lies within it.
        DataError: a file of the run is missing or corrupt, or it is a redacted copy itself.
    """
    require_new(out, overwrite=False)
    if out.resolve().is_relative_to(folder.resolve()):
        raise OutputError(
            f"{out}: lies in the run itself, which holds all of it. Choose another folder."
        )
    unfinished = unfinished_name(out)
    shutil.rmtree(unfinished, ignore_errors=True)
    with whole_disk(out, "choose another folder"):
        removed = page.redact(folder, unfinished, with_model=with_model)
        RunFolder(unfinished).finish()
        write_report([unfinished], unfinished / "report.html")
        if out.exists():
            out.rmdir()
        unfinished.replace(out)
    return removed
