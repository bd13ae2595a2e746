"""Numbers as a reader sees them: one look in the table, the verdict and the figures."""

from __future__ import annotations

from unteach.report.read import Finding

PERCENT = "\u00a0%"
"""The sign stays on the line of its number."""


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
    decimals = 3 if 0 < size < 0.01 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{value:.{decimals}f}" if size < 100_000 else f"{value:.1e}"


def shown(finding: Finding) -> str:
    """An available finding in running text: `0.12 [0.08, 0.17]`."""
    text = number(finding.point, percent=finding.percent)
    if finding.low is None or finding.high is None:
        return text
    return f"{text} {interval(finding.low, finding.high, percent=finding.percent)}"


def brief(finding: Finding) -> str:
    """An available finding without its interval."""
    return number(finding.point, percent=finding.percent)


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
