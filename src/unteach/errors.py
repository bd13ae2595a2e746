"""What a user can fix, each printed as one sentence and without a traceback.

    UserError
    |-- RecipeError        the recipe, or a value given with --set, is wrong
    |   `-- UnknownNameError    nothing is registered under that name
    |-- DataError          a file of examples is missing, unreadable or has bad rows
    |-- ModelError         a model cannot be loaded, or must not be
    |-- DeviceError        the device asked for is absent or too small
    |-- DivergedError      training left the numbers that can be computed with
    |-- OutputError        the run folder is in use, not ours, or cannot be written
    |   `-- DiskFullError       there is no room for what is to be written
    |-- MissingPackageError     an optional package is needed; names the install command
    `-- EndpointError      a service that was asked refuses, or gives no reply

A mistake that only the authors can make is an `assert`.
"""

from __future__ import annotations

from collections.abc import Sequence


class UserError(Exception):
    """Something the user can put right; the message says what, where, and what would be right."""


class RecipeError(UserError):
    """The recipe is wrong. Every problem found is in the message, one a line."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UnknownNameError(RecipeError):
    """Nothing is registered under the name asked for."""


class DataError(UserError):
    """Examples are missing, unreadable or bad. Every bad row found is in the message, one a line."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class ModelError(UserError):
    """A model cannot be loaded, or must not be without the user's word."""


class DeviceError(UserError):
    """The device asked for is absent."""


class DivergedError(UserError):
    """A loss or a gradient is no longer a finite number."""


class OutputError(UserError):
    """The output folder cannot be used."""


class DiskFullError(OutputError):
    """There is no room for what is to be written; what was written before is kept."""


class MissingPackageError(UserError):
    """An optional package is needed; the message names the command that installs it."""

    def __init__(self, package: str, needed_for: str, extra: str) -> None:
        super().__init__(
            f"{needed_for} needs the package '{package}', which is not installed: "
            f'pip install "unteach[{extra}]"'
        )


class EndpointError(UserError):
    """A service that was asked over the network refuses the request, or gives no reply."""


LONGEST_SHOWN = 80
"""Characters of a value that an error quotes."""


def shown(value: object) -> str:
    """A value as an error quotes it, cut where it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # thousands of digits, or of brackets
        return "a value too long to be shown"
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
