"""Numbers as a reader sees them: one look in the table, the verdict and the figures."""

from __future__ import annotations

import math

from unteach.report.read import Against, Finding

PERCENT = "\u00a0%"
"""The sign stays on the line of its number."""
P_VALUES = frozenset({"forget_quality"})
"""Audits whose value is a p-value: its order of magnitude counts, however small it is."""
PERCENTAGES = frozenset({"privleak"})
"""Audits whose value is a percentage already, as it is published."""


def number(value: float, *, percent: bool = False) -> str:
    """Two decimals below ten, fewer above, three where two would show nothing but zeros."""
    return _written(value, abs(value), percent=percent)


def interval(low: float, high: float, *, percent: bool = False) -> str:
    """`[0.08, 0.17]`: both ends as precise as the larger asks; a percentage drops its sign."""
    size = max(abs(low), abs(high))
    ends = [_written(end, size, percent=percent).removesuffix(PERCENT) for end in (low, high)]
    return f"[{ends[0]}, {ends[1]}]"


def _written(value: float, size: float, *, percent: bool) -> str:
    """`value` with the decimals that a number of that size deserves."""
    if percent:
        return (
            f"{100 * value:.0f}{PERCENT}"
            if size >= 0.1 or size == 0
            else f"{100 * value:.1f}{PERCENT}"
        )
    if 0 < size < 0.0005:
        return "<0.001" if value else "0"
    return f"{value:.{_decimals(size)}f}" if size < 100_000 else f"{value:.1e}"


def _decimals(size: float) -> int:
    return 3 if 0 < size < 0.01 else 2 if size < 10 else 1 if size < 100 else 0


def p_value(value: float) -> str:
    """`0.64`, `3.9e-22`; a p-value too small for a float is not 0."""
    if value <= 0:
        return "<1e-300"
    return number(value) if value >= 0.001 else f"{value:.1e}"


def shown(finding: Finding) -> str:
    """An available finding in running text: `0.12 [0.08, 0.17]`."""
    return " ".join(part for part in (brief(finding), bounds(finding)) if part)


def brief(finding: Finding) -> str:
    """An available finding without its interval."""
    if finding.audit in P_VALUES:
        return p_value(finding.point)
    if finding.audit in PERCENTAGES:
        return f"{finding.point:.{1 if abs(finding.point) < 100 else 0}f}{PERCENT}"
    return number(finding.point, percent=finding.percent)


def bounds(finding: Finding) -> str:
    """The interval of an available finding; empty if it has none."""
    if finding.low is None or finding.high is None:
        return ""
    if finding.audit in P_VALUES:
        return f"[{p_value(finding.low)}, {p_value(finding.high)}]"
    return interval(finding.low, finding.high, percent=finding.percent)


def difference(against: Against) -> str:
    """`+0.02`, as precise as its interval asks; of rates too on the scale of 0 to 1."""
    return _signed(against.difference, against, plus="+")


def difference_bounds(against: Against) -> str:
    """`[-0.01, 0.05]`; empty if there is no interval."""
    if against.low is None or against.high is None:
        return ""
    return f"[{_signed(against.low, against)}, {_signed(against.high, against)}]"


def _signed(value: float, against: Against, *, plus: str = "") -> str:
    size = max(abs(x) for x in (against.difference, against.low, against.high) if x is not None)
    text = f"{value:.{_decimals(size)}f}" if size < 100_000 else f"{value:.1e}"
    if not float(text):
        return text.removeprefix("-")  # -0.00 is no sign of anything
    return plus + text if value > 0 else text


def margin(value: float, *, down: bool = False) -> str:
    """A margin, rounded up, so that a difference below it is below what is written; or down."""
    decimals = 3 if value < 0.01 else 2
    units = value * 10**decimals
    whole = math.floor(units + 1e-9) if down else math.ceil(units - 1e-9)
    return f"{whole / 10**decimals:.{decimals}f}"


def duration(seconds: float) -> str:
    """Seconds up to two minutes, then minutes and seconds, then hours and minutes."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def memory(num_bytes: int) -> str:
    """Bytes in powers of ten: MB below one GB."""
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.0f} MB"


def count(value: int) -> str:
    """A whole number with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
