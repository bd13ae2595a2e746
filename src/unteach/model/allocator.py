"""Keep large buffers between training steps, instead of returning them to the system each time.

glibc hands every buffer above 32 MiB back to the kernel when it is freed, and the next step faults
its pages in again: a fifth of a training step of a 135M model on two cores (docs/performance.md).
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # parameters of glibc's mallopt


def keep_buffers() -> bool:
    """Ask glibc to keep freed buffers; False where the C library is another one.

    Takes effect for what is allocated afterwards, so call it before the first model is loaded. The
    command line does. The price is memory that is not given back before the process ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        library = ctypes.CDLL("libc.so.6")
    except OSError:
        return False  # musl, for one, has no such library
    settings = {MMAP_THRESHOLD: 1 << 30, TRIM_THRESHOLD: (1 << 31) - 1, TOP_PAD: 256 << 20}
    return all(library.mallopt(name, value) == 1 for name, value in settings.items())
