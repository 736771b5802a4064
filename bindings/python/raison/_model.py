"""The model: immutable, shared by sessions and threads."""

import os
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Mapping, Optional, Sequence, Union

from . import _raison
from ._errors import StateError, emit_log, translated
from ._options import generate_options
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


@translated
def devices(backend_path: str = "") -> List[Device]:
    """The devices of this machine, the CPU first."""
    kinds = {0: "cpu", 1: "integrated_gpu", 2: "gpu"}
    return [
        Device(d.name, kinds.get(d.kind, "unknown"), d.description, d.problem, d.memory_total,
               d.memory_free, d.driver)
        for d in _raison.devices(backend_path)
    ]  # fmt: skip


def _native_messages(messages: Iterable[MessageLike]) -> Any:
    native = _raison.Messages()
    for m in messages:
        if isinstance(m, Mapping):
            unknown = set(m) - {"role", "content", "thinking", "reasoning_content"}
            if unknown or "role" not in m or "content" not in m:
                raise TypeError(f"a message has role, content and perhaps thinking; got {sorted(m)}")
            thinking = m.get("thinking", m.get("reasoning_content"))
            role, content = m["role"], m["content"]
        elif isinstance(m, Message):
            role, content, thinking = m.role, m.content, m.thinking
        else:
            role, content = m
            thinking = None
        if role not in _ROLES:
            raise ValueError(f"role = {role!r}: wanted one of {', '.join(map(repr, _ROLES))}")
        if thinking is None:
            native.add(_ROLES[role], content)
        else:
            native.add_thought(_ROLES[role], content, thinking)
    return native


class Model:
    """A loaded model.

    path: a GGUF file or a Hugging Face folder; None is the built-in model. progress is called as
    progress(done, total) in bytes and may return False to cancel the load.
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
        options.device = device or ""
        options.backend_path = backend_path or ""
        options.experts = experts or ""
        options.chat_template = chat_template or ""
        options.threads = -1 if threads is None else threads
        options.context_length = context_length or 0
        options.kv_bytes = kv_bytes
        for name, value, table in (("kv_type", kv_type, _KV_TYPES), ("load", load, _LOADS)):
            if value not in table:
                raise ValueError(f"{name} = {value!r}: wanted one of {', '.join(map(repr, table))}")
            setattr(options, name, table[value])
        options.repack = repack
        options.exact = exact
        if progress is not None:
            options.progress = lambda done, total: progress(done, total) is not False
        if _bytes is not None:
            self._native: Any = _raison.Model.from_bytes(_bytes, options)
        else:
            self._native = _raison.Model(os.fspath(path) if path is not None else "", options)
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
    def info(self) -> Any:
        """Sizes, types, ids and recommended sampling (see raison.h, rsn_model_info)."""
        return translated(self._open().info)()

    @translated
    def tokenize(self, text: Union[str, bytes], *, special: bool = False,
                 bos: bool = False) -> List[int]:  # fmt: skip
        """Token ids of a text; with `special`, strings of special tokens become those tokens."""
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
    def render(self, messages: Iterable[MessageLike], **options: Any) -> str:
        """The text that the model's chat template makes of a conversation."""
        return str(self._open().render(_native_messages(messages), generate_options(options)))

    @translated
    def plan(self, context_length: int = 0, sessions: int = 1, *, as_json: bool = False) -> str:
        """What lies where and how much memory it takes."""
        return str(self._open().plan(1 if as_json else 0, context_length, sessions))

    def __repr__(self) -> str:
        if self._native is None:
            return "<raison.Model closed>"
        info = self.info
        return f"<raison.Model {info.name!r} {info.architecture} {info.type}>"
