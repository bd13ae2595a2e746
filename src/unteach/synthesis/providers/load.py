"""A provider of text by its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unteach.errors import RecipeError
from unteach.synthesis.providers.endpoint import Price, from_environment
from unteach.synthesis.providers.texts import Provider

if TYPE_CHECKING:
    from unteach.model.load import LoadOptions


def load(
    provider: str,
    *,
    url: str | None = None,
    model: str | None = None,
    concurrency: int = 4,
    requests_per_minute: float | None = None,
    timeout: float = 60.0,
    retries: int = 5,
    price: Price | None = None,
    options: LoadOptions | None = None,
    replies: Path | None = None,
) -> Provider:
    """`endpoint`, or the model that `provider` names: a folder, a GGUF file or a hub id.

    An endpoint is at `url` and asked for `model`, else where UNTEACH_PROVIDER_URL and
    UNTEACH_PROVIDER_MODEL say; its key is UNTEACH_PROVIDER_KEY. `timeout` is seconds. `options` are
    for a model on this machine. `replies` keeps what was written, by default a folder of the cache.

    Raises:
        RecipeError: a parameter is out of range, or belongs to the other provider.
        EndpointError: the endpoint is not named.
        ModelError: the model cannot be loaded.
    """
    rate = requests_per_minute
    limits = (
        ("concurrency", concurrency, concurrency >= 1, "at least 1"),
        ("requests_per_minute", rate, rate is None or rate > 0, "a number above 0"),
        ("timeout", timeout, timeout > 0, "a number above 0"),
        ("retries", retries, retries >= 0, "at least 0"),
    )
    wrong = [f"provider: {name} is {x}: give {fit}." for name, x, fits, fit in limits if not fits]
    if provider != "endpoint" and (url or model):
        wrong.append(
            f"provider: '{provider}' is a model on this machine, which has no url and no other "
            "model: leave them out, or say provider: endpoint."
        )
    if wrong:
        raise RecipeError(wrong)
    if provider == "endpoint":
        return replace(
            from_environment(url=url, model=model, replies=replies),
            concurrency=concurrency,
            requests_per_minute=rate,
            timeout=timeout,
            retries=retries,
            price=price,
        )
    from unteach.synthesis.providers.local import open_model

    return open_model(provider, options=options, replies=replies)
