r"""What counts as personal data in a new answer: the rules of this package, and those of a user.

A policy is a small YAML file:

    builtin: true        # e-mail addresses, phone numbers, street addresses, dates
    patterns:            # name: regular expression, over lower-case text without accents
      a badge number: '\bb-\d{4}\b'
      a rank: '\b(?:captain|colonel)\b'
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unteach import notation
from unteach.errors import DataError
from unteach.synthesis.verify import RISKS, Rules

EXAMPLE: Final = r"patterns: {a badge number: '\bb-\d{4}\b'}"


class _Policy(BaseModel):
    """The file as a user writes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    builtin: bool = True
    patterns: dict[str, str] = Field(default_factory=dict)


def read(path: str = "") -> Rules:
    """The rules of a policy file; without a path those of this package.

    Raises:
        DataError: the file cannot be read, is no policy, or has a pattern that does not work.
    """
    if not path:
        return dict(RISKS)
    try:
        content = notation.from_yaml(Path(path).expanduser().read_text("utf-8"))
    except notation.MalformedError as error:
        raise DataError(f"{path}:{error.line}: the policy is not YAML ({error}).") from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", "") or "it is not UTF-8"
        raise DataError(f"{path}: the policy cannot be read ({why}).") from None
    try:
        policy = _Policy.model_validate({} if content is None else content)
    except ValidationError as error:
        raise DataError(
            [
                f"{path}: {'.'.join(map(str, one['loc'])) or 'the policy'}: {one['msg']}. "
                f"A policy has 'builtin' and 'patterns', as in {EXAMPLE}."
                for one in error.errors()
            ]
        ) from None
    own = {name: _compiled(path, name, pattern) for name, pattern in policy.patterns.items()}
    rules = {**(RISKS if policy.builtin else {}), **own}
    if not rules:
        raise DataError(
            f"{path}: the policy has no rule at all: name patterns, or set builtin: true."
        )
    return rules


def _compiled(path: str, name: str, pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise DataError(
            f"{path}: patterns.{name}: '{pattern}' is no regular expression ({error})."
        ) from None
    if compiled.search(""):
        raise DataError(
            f"{path}: patterns.{name}: '{pattern}' is found in an empty text, so in every answer."
        )
    return compiled
