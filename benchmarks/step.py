"""What a training step costs: the usual way against ours, in turn, on the same rows.

The usual way is a plain one written for this comparison: every row whole through the model, logits
of every position, cross entropy on the answer. Ours shares the tokens that all rows start with and
lets only scored positions reach the output layer.

    python benchmarks/step.py --model smollm2-135m-instruct --rows 8 --times 5 --out step.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from unteach.model.allocator import keep_buffers


def main() -> None:
    """Time both, print a table with medians and their ratio, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--no-keep-buffers", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    kept = not given.no_keep_buffers and keep_buffers()

    from torch.nn import functional as F

    from unteach.data.batches import collate
    from unteach.data.benchmarks.world import world
    from unteach.data.render import Renderer, encode_all
    from unteach.model.load import LoadOptions, load, locate
    from unteach.model.scores import score

    options = LoadOptions()
    loaded = load(locate(given.model, options), options)
    model = loaded.model.train()
    rows = encode_all(Renderer(loaded.tokenizer), world(people=20)["retain"][: given.rows])
    batch = collate(rows, device=model.device)
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    for i, row in enumerate(rows):
        labels[i, : row.start] = -100

    def usual() -> float:
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()
        return float(loss)

    def ours() -> float:
        scores = score(model, batch)
        loss = -scores.logp.sum() / scores.mask.sum()
        loss.backward()
        return float(loss)

    seconds: dict[str, list[float]] = {"usual": [], "ours": []}
    losses: dict[str, float] = {}
    ways: dict[str, Callable[[], float]] = {"usual": usual, "ours": ours}
    for turn in range(given.times + 1):
        for name, step in ways.items():
            model.zero_grad(set_to_none=True)
            began = time.perf_counter()
            losses[name] = step()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    tokens = sum(len(row.ids) for row in rows)
    print(f"{given.rows} rows, {tokens} tokens, {batch.prefix} shared; buffers kept: {kept}")
    for name, median in medians.items():
        print(
            f"{name:6} {median:7.3f} s a step  {tokens / median:6.0f} tokens/s  loss {losses[name]:.6f}"
        )
    print(f"ours takes {medians['ours'] / medians['usual']:.2f} of the usual time")
    if given.out:
        given.out.write_text(json.dumps({"seconds": seconds, "median": medians, "tokens": tokens}))


if __name__ == "__main__":
    main()
