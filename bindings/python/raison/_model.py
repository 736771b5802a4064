"""The model: immutable, shared by sessions and threads."""

import importlib.util
import os
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import _raison
from ._errors import FileNotFound, StateError, emit_log, translated
from ._options import GenerateOptions, assign, choice, generate_options, merge, text_argument
from ._session import Session

_KV_TYPES = {"f32": 1, "f16": 2, "bf16": 3}
_LOADS = {"map": 0, "copy": 1, "header": 2}
_ROLES = {"system": 0, "user": 1, "assistant": 2, "tool": 3}


@dataclass(frozen=True)
class Message:
    """One message of a conversation. `thinking`: what an assistant thought before its text."""

    role: str
    content: str
    thinking: Optional[str] = None


MessageLike = Union[Message, Mapping[str, Any], Sequence[str]]


@dataclass(frozen=True)
class Device:
    """A device that a model can be loaded on; `problem` says why not."""

    name: str
    kind: str
    description: str
    problem: str
    memory_total: int
    memory_free: int
    driver: str


def _plugins() -> str:
    """The folder of the package raison-cuda where it is installed: a place of its own, where the
    library would not look. A plug-in that RAISON_BACKEND_PATH names goes before it."""
    spec = importlib.util.find_spec("raison_cuda")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for place in os.environ.get("RAISON_BACKEND_PATH", "").split(os.pathsep):
        if place.endswith("libraison-cuda.so") or os.path.isfile(place + "/libraison-cuda.so"):
            return ""
    return folders[0] if folders else ""


@translated
def devices(backend_path: Optional[str] = None) -> List[Device]:
    """The devices of this machine, the CPU first. `backend_path`: see `Model`."""
    kinds = {0: "cpu", 1: "integrated_gpu", 2: "gpu"}
    return [
        Device(d.name, kinds.get(d.kind, "unknown"), d.description, d.problem, d.memory_total,
               d.memory_free, d.driver)
        for d in _raison.devices(_plugins() if backend_path is None else backend_path)
    ]  # fmt: skip


@dataclass(frozen=True)
class ModelInfo:
    """What a model is; the members are those of raison.h, rsn_model_info."""

    name: str
    architecture: str
    type: str
    path: str
    device: str
    parameters: int
    active_parameters: int
    context_length: int
    vocabulary: int
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    experts: int
    experts_used: int
    experts_shared: int
    dense_layers: int
    threads: int
    file_bytes: int
    weight_bytes: int
    kv_bytes_per_token: int
    kv_bytes_limit: int
    kv_bytes_used: int
    passes: int
    tensors: int
    bos_token: int
    eos_token: int
    think_begin_token: int
    think_end_token: int
    temperature: float
    top_p: float
    min_p: float
    repetition_penalty: float
    top_k: int
    sampling_from_file: bool
    chat_template: str

    def __repr__(self) -> str:
        """One line: the template and the rest are members."""
        return (
            f"<raison.ModelInfo {self.name!r} {self.architecture} {self.type}, "
            f"{self.parameters / 1e6:.1f}M parameters, context {self.context_length}>"
        )

    @staticmethod
    def _of(n: Any) -> "ModelInfo":
        values = {name: getattr(n, name) for name in ModelInfo.__dataclass_fields__}
        return ModelInfo(**{**values, "sampling_from_file": bool(n.sampling_from_file)})


@dataclass(frozen=True)
class TensorInfo:
    """One tensor of the model's file; shape: outermost dimension first."""

    name: str
    type: str
    shape: Tuple[int, ...]
    bytes: int


def _parts_of_message(m: Any, name: str) -> Tuple[Any, Any, Any]:
    """(role, content, thinking)"""
    if isinstance(m, Message):
        return m.role, m.content, m.thinking
    if isinstance(m, Mapping):
        unknown = set(m) - {"role", "content", "thinking", "reasoning_content"}
        if unknown or "role" not in m or "content" not in m:
            raise TypeError(
                f"{name}: a message has role, content and perhaps thinking; got {sorted(map(str, m))}"
            )
        return m["role"], m["content"], m.get("thinking", m.get("reasoning_content"))
    if not isinstance(m, (tuple, list)) or len(m) != 2:
        raise TypeError(f"{name} = {m!r}: wanted a Message, a mapping or (role, content)")
    return m[0], m[1], None


def _native_messages(messages: Iterable[MessageLike]) -> Any:
    if isinstance(messages, (str, bytes, Mapping, Message)):
        raise TypeError(
            f"messages = {messages!r}: wanted a list of messages; ask() takes a single question"
        )
    try:
        given = list(messages)
    except TypeError:
        raise TypeError(f"messages = {messages!r}: wanted a list of messages") from None
    native = _raison.Messages()
    for i, m in enumerate(given):
        name = f"messages[{i}]"
        role, content, thinking = _parts_of_message(m, name)
        number = choice(f"{name}: role", role, _ROLES)
        text_argument(f"{name}: content", content)
        if thinking is None:
            native.add(number, content)
        else:
            native.add_thought(number, content, text_argument(f"{name}: thinking", thinking))
    return native


class Model:
    """A loaded model.

    path: a GGUF file or a Hugging Face folder; None is the built-in model. device: a name of
    devices(), or a split, "cuda:0=20,cpu"; None is the best that fits. experts: the device of all
    routed experts, or a split of each layer's, "cuda:0=96,cpu" or "own=96,cpu" (the first 96 with
    their layer); None leaves them with their layers. progress is called as progress(done, total) in
    bytes and may return False to cancel the load.
    """

    @translated
    def __init__(
        self,
        path: Union[str, "os.PathLike[str]", None] = None,
        *,
        device: Optional[str] = None,
        threads: Optional[int] = None,
        context_length: Optional[int] = None,
        kv_type: str = "f16",
        kv_bytes: int = 0,
        load: str = "map",
        repack: bool = True,
        exact: bool = False,
        chat_template: Optional[str] = None,
        backend_path: Optional[str] = None,
        experts: Optional[str] = None,
        progress: Optional[Callable[[int, int], Optional[bool]]] = None,
        _bytes: Optional[bytes] = None,
    ) -> None:
        options = _raison.ModelOptions()
        assign(options, "device", "" if device is None else device, "a str")
        assign(options, "experts", "" if experts is None else experts, "a str")
        assign(options, "backend_path", _plugins() if backend_path is None else backend_path, "a str")
        assign(options, "chat_template", "" if chat_template is None else chat_template, "a str")
        assign(options, "threads", -1 if threads is None else threads, "an integer")
        assign(options, "context_length", 0 if context_length is None else context_length,
               "an integer")  # fmt: skip
        assign(options, "kv_bytes", kv_bytes, "an integer")
        options.kv_type = choice("kv_type", kv_type, _KV_TYPES)
        options.load = choice("load", load, _LOADS)
        assign(options, "repack", repack, "True or False")
        assign(options, "exact", exact, "True or False")
        if progress is not None:
            options.progress = lambda done, total: progress(done, total) is not False
        name = "" if path is None else os.fspath(path)
        if path is not None and not name:
            raise FileNotFound("path: empty; None is the built-in model")
        if isinstance(name, str):
            text_argument("path", name)
        if _bytes is not None:
            self._native: Any = _raison.Model.from_bytes(_bytes, options)
        else:
            self._native = _raison.Model(name, options)
        emit_log(self._native)

    @classmethod
    def from_bytes(cls, data: bytes, **options: Any) -> "Model":
        """Loads the bytes of a GGUF file (they are copied)."""
        return cls(_bytes=bytes(data), **options)

    def close(self) -> None:
        """Gives the model up; its memory goes when its sessions are closed too."""
        self._native = None

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _open(self) -> Any:
        if self._native is None:
            raise StateError("the model is closed")
        return self._native

    @translated
    def session(self, context_length: Optional[int] = None) -> Session:
        """A new, empty timeline."""
        native = self._open()
        return Session(native.session(context_length or 0), native)

    @property
    def info(self) -> ModelInfo:
        """Sizes, types, ids and recommended sampling."""
        return ModelInfo._of(translated(self._open().info)())

    @property
    @translated
    def tensors(self) -> List[TensorInfo]:
        """The tensors of the file, in its order."""
        native = self._open()
        given = (native.tensor(i) for i in range(native.info().tensors))
        return [TensorInfo(t.name, t.type, tuple(t.shape), t.bytes) for t in given]

    @translated
    def tokenize(self, text: Union[str, bytes], *, special: bool = False,
                 bos: bool = False) -> List[int]:  # fmt: skip
        """Token ids of a text; with `special`, strings of special tokens become those tokens."""
        if isinstance(text, str):
            text_argument("text", text)
        flags = _raison.TOKENIZE_SPECIAL * special | _raison.TOKENIZE_BOS * bos
        return list(self._open().tokenize(text, flags))

    @translated
    def detokenize(self, tokens: Iterable[int], *, special: bool = False) -> bytes:
        """The bytes of tokens, which may end inside a code point."""
        flags = _raison.DETOKENIZE_SPECIAL * special
        return bytes(self._open().detokenize(list(tokens), flags))

    @translated
    def token_text(self, token: int) -> bytes:
        return bytes(self._open().token_text(token))

    @translated
    def render(self, messages: Iterable[MessageLike], options: Optional[GenerateOptions] = None,
               **keywords: Any) -> str:  # fmt: skip
        """The text that the model's chat template makes of a conversation."""
        given = generate_options(merge(options, keywords))
        return str(self._open().render(_native_messages(messages), given))

    @translated
    def plan(self, context_length: int = 0, sessions: int = 1, *, as_json: bool = False) -> str:
        """What lies where and how much memory it takes."""
        return str(self._open().plan(1 if as_json else 0, context_length, sessions))

    def __repr__(self) -> str:
        if self._native is None:
            return "<raison.Model closed>"
        info = self.info
        return f"<raison.Model {info.name!r} {info.architecture} {info.type}>"
