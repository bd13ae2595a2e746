"""What a TOFU evaluation costs: metric by metric as usual, against one pass over every text.

The usual way is a plain one written for this comparison, as the field's scripts work: each metric
goes through its own rows in batches of their order, padded to the longest, with float32 logits of
every position, and answers are generated in fixed batches that wait for their slowest row. Ours
asks `Evidence` for the same sets and reads the same numbers from it; `worst` is the largest
difference between the two of an answer's probability.

    UNTEACH_DATA=data python benchmarks/evaluation.py --rows 20 --out evaluation.json
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from unteach.model.allocator import keep_buffers

DEFAULT = (
    *(("nll", "forget", what) for what in ("tokens", "rephrased", "wrong")),
    *(("nll", "retain", what) for what in ("tokens", "rephrased", "wrong")),
    *(("nll", split, what) for split in ("real_authors", "world") for what in ("tokens", "wrong")),
    ("min_k", "forget", "tokens"),
    ("min_k", "holdout", "tokens"),
    ("strength", "forget", "tokens"),
)
"""The metrics of the incumbent's default set that score answers: what of them, and which rows."""

FULL = (
    *DEFAULT,
    ("memorization", "forget", "tokens"),
    *(("nll", split, "tokens") for split in ("forget", "holdout")),  # loss attack
    *(("zlib", split, "tokens") for split in ("forget", "holdout")),
    *(("tokens", split, "tokens") for split in ("forget", "holdout")),  # min-k++ reads both
    *(("min_k++", split, "tokens") for split in ("forget", "holdout")),
)
"""All its metrics that need no gradient and no second model."""

WRITTEN = ("forget", "retain", "real_authors", "world")
"""Splits whose questions are answered."""


def main() -> None:
    """Time both ways in one process, compare every number, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--rows", type=int, default=20, help="rows of each split")
    parser.add_argument("--batch", type=int, default=32, help="rows of a batch of the usual way")
    parser.add_argument("--max-tokens", type=int, default=200, help="of a written answer")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    keep_buffers()

    from unteach.audit.evidence import Evidence
    from unteach.audit.kinds import TABLES
    from unteach.data.benchmarks.tofu import tofu
    from unteach.data.render import Renderer
    from unteach.model.load import LoadOptions, load, locate

    options = LoadOptions()
    loaded = load(locate(given.model, options), options)
    whole = tofu(split="forget10", retain_authors=40)
    splits = {name: whole[name][: given.rows] for name in (*WRITTEN, "holdout")}
    renderer = Renderer(loaded.tokenizer)
    results: dict[str, Any] = {"rows": given.rows, "max_tokens": given.max_tokens}

    def evidence(folder: str) -> Evidence:
        return Evidence("m", "m", splits, renderer, Path(folder), lambda: loaded)

    with tempfile.TemporaryDirectory() as folder:
        ev = evidence(folder)
        usual: dict[str, list[float]] = {}
        seconds: dict[str, float] = {}
        for metric in dict.fromkeys(FULL):
            _, split, kind = metric
            rows = TABLES[kind](ev, split)
            began = time.perf_counter()
            found = list(_one_metric(loaded.model, rows, given.batch))
            seconds["|".join(metric)] = time.perf_counter() - began
            usual[f"{split}.{kind}"] = found
        began = time.perf_counter()
        texts = {s: _usual_texts(loaded, ev, s, given.batch, given.max_tokens) for s in WRITTEN}
        writing = time.perf_counter() - began
    for name, metrics in (("default", DEFAULT), ("full", FULL)):
        reads = sorted({f"{split}.{kind}" for _, split, kind in metrics})
        with tempfile.TemporaryDirectory() as folder:
            ev = evidence(folder)
            began = time.perf_counter()
            ev.measure(reads)
            ours = time.perf_counter() - began
            worst = max(
                abs(math.exp(-a) - math.exp(-b))
                for read in reads
                for a, b in zip(usual[read], _losses(ev, read), strict=True)
            )
        plain = sum(seconds["|".join(metric)] for metric in metrics)
        results[name] = {"usual": plain, "ours": ours, "ratio": ours / plain, "worst": worst}
    with tempfile.TemporaryDirectory() as folder:
        ev = evidence(folder)
        began = time.perf_counter()
        ev.measure([f"{split}.texts({given.max_tokens})" for split in WRITTEN])
        ours = time.perf_counter() - began
        same = [
            a == b for s in WRITTEN for a, b in zip(texts[s], _texts(ev, s, given), strict=True)
        ]
    results["answers"] = {"usual": writing, "ours": ours, "ratio": ours / writing}
    results["answers"]["same"] = sum(same) / len(same)
    for name in ("default", "full"):
        both = results[name]
        results[f"{name} with answers"] = {
            "usual": both["usual"] + writing,
            "ours": both["ours"] + ours,
            "ratio": (both["ours"] + ours) / (both["usual"] + writing),
        }
    _print(results)
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")


def _one_metric(model: Any, rows: Sequence[Any], size: int) -> Iterator[float]:
    """Mean token loss of every row, the usual way: what each metric begins with."""
    import torch
    from torch.nn import functional as F

    from unteach.data.batches import collate

    for at in range(0, len(rows), size):
        part = rows[at : at + size]
        batch = collate(part, device=model.device)
        with torch.no_grad():
            logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
            logits = logits.float()
            labels = batch.input_ids.clone()
            for i, row in enumerate(part):
                labels[i, : row.start] = -100
                labels[i, len(row.ids) :] = -100
            # not over logits.transpose(1, 2), as scripts do: that kernel adds up the vocabulary one
            # by one, and is wrong by 1e-4 in float32
            loss = F.cross_entropy(
                logits[:, :-1].flatten(0, 1),
                labels[:, 1:].flatten(),
                ignore_index=-100,
                reduction="none",
            ).view_as(labels[:, 1:])
            yield from (loss.sum(-1) / (labels[:, 1:] != -100).sum(-1)).tolist()


def _usual_texts(loaded: Any, ev: Any, split: str, size: int, max_tokens: int) -> list[str]:
    """Greedy answers by transformers, in batches of the rows' order."""
    import torch

    from unteach.model.generate import as_text

    prompts = [list(ev.renderer.prompt_ids(e)) for e in ev.splits[split]]
    texts = []
    for at in range(0, len(prompts), size):
        part = prompts[at : at + size]
        longest = max(map(len, part))
        pad = loaded.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in part])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in part])
        written = loaded.model.generate(
            input_ids=ids.to(loaded.model.device),
            attention_mask=mask.to(loaded.model.device),
            max_new_tokens=max_tokens,
            do_sample=False,
            pad_token_id=pad,
        )
        texts += [as_text(loaded.tokenizer, row[longest:].tolist()) for row in written]
    return texts


def _losses(ev: Any, read: str) -> list[float]:
    split, _, kind = read.partition(".")
    method: Callable[[str], Any] = getattr(ev, kind)
    return [float(-row.mean()) for row in method(split).each("logp")]


def _texts(ev: Any, split: str, given: argparse.Namespace) -> list[str]:
    return list(ev.texts(split, given.max_tokens))


def _print(results: dict[str, Any]) -> None:
    print(f"{results['rows']} rows a split, answers of at most {results['max_tokens']} tokens")
    for name, found in results.items():
        if isinstance(found, dict):
            rest = {k: v for k, v in found.items() if k not in ("usual", "ours", "ratio")}
            more = "".join(f"  {k} {v:.2g}" for k, v in rest.items())
            print(
                f"{name:22} usual {found['usual']:7.1f} s  ours {found['ours']:7.1f} s  "
                f"ours/usual {found['ratio']:.2f}{more}"
            )


if __name__ == "__main__":
    main()
