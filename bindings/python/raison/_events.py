"""What a session tells, as plain values."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Optional, Tuple, TypeVar

_KINDS = {0: "none", 1: "progress", 2: "token", 3: "step_begin", 4: "step_end", 5: "think_begin",
          6: "think_end", 7: "notice", 8: "done"}  # fmt: skip
_CHANNELS = {0: "prompt", 1: "thinking", 2: "answer", 3: "control"}
_SOURCES = {0: "sampled", 1: "forced", 2: "injected", 3: "prompt"}
_THINK_END = {1: "model", 2: "soft_budget", 3: "hard_budget", 4: "caller", 5: "length",
              6: "end_of_text"}  # fmt: skip
_DONE = {1: "end", 2: "stop_string", 3: "length_thinking", 4: "length_answer", 5: "context_full",
         6: "cancelled", 7: "stopped", 8: "unclosed", 9: "failed"}  # fmt: skip
_NOTICE = {1: "soft_budget", 2: "hard_budget", 3: "answer_reserve", 4: "minimum",
           5: "end_thinking", 6: "injected", 7: "rewound", 8: "stopped", 9: "cancelled",
           10: "placed"}  # fmt: skip
_MARKERS = {0: "plain", 1: "check", 2: "correction", 3: "conclusion"}
_REASONS = {6: _THINK_END, 7: _NOTICE, 8: _DONE}

_T = TypeVar("_T", bound="_Told")
Alternative = Tuple[int, float]
Expert = Tuple[int, int, float]


def _alternatives(native: Any) -> List[Alternative]:
    return list(zip(native.alternatives, native.alternative_logprobs))


def _experts(native: Any) -> List[Expert]:
    return list(zip(native.expert_layers, native.experts, native.expert_weights))


class _Told:
    """What a session told, and its native form; not a field, so that copies stay plain values."""

    _native: ClassVar[Any] = None
    _json: ClassVar[Optional[str]] = None

    def _keep(self: _T, native: Any) -> _T:
        object.__setattr__(self, "_native", native)
        return self

    def to_json(self) -> str:
        """One object of JSON, the same bytes in every language (docs/trace.schema.json)."""
        if self._native is not None:
            return str(self._native.to_json())
        if self._json is None:
            raise ValueError(f"this {type(self).__name__} was not made by a session")
        return self._json

    def __getstate__(self) -> Dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name != "_native"}
        if self._native is not None:
            state["_json"] = self.to_json()
        return state


@dataclass(frozen=True)
class Event(_Told):
    """One event of a request; which fields count depends on `kind` (see raison.h, rsn_event).

    Kinds that a later library adds have the kind "unknown": ignore them.
    """

    kind: str
    text: str = ""
    channel: str = "prompt"
    reason: Optional[str] = None
    step: int = -1
    position: int = -1
    seconds: float = 0.0
    token: int = -1
    source: str = "sampled"
    rank: int = -1
    logprob: float = float("nan")
    entropy: float = float("nan")
    sampled_logprob: float = float("nan")
    alternatives: List[Alternative] = field(default_factory=list)  # (token, log-probability)
    experts: List[Expert] = field(default_factory=list)  # (layer, expert, gate weight)
    done: int = 0
    total: int = 0
    cached: int = 0
    status: int = 0
    @staticmethod
    def _of(n: Any) -> "Event":
        reasons = _REASONS.get(n.kind)
        return Event(
            kind=_KINDS.get(n.kind, "unknown"),
            text=n.text,
            channel=_CHANNELS.get(n.channel, "unknown"),
            reason=None if reasons is None else reasons.get(n.reason, "unknown"),
            step=n.step,
            position=n.position,
            seconds=n.microseconds * 1e-6,
            token=n.token,
            source=_SOURCES.get(n.source, "unknown"),
            rank=n.rank,
            logprob=n.logprob,
            entropy=n.entropy,
            sampled_logprob=n.sampled_logprob,
            alternatives=_alternatives(n),
            experts=_experts(n),
            done=n.done,
            total=n.total,
            cached=n.cached,
            status=n.status,
        )._keep(n)


@dataclass(frozen=True)
class Step(_Told):
    """A step of the thinking: half-open token range [begin, end), text and numbers."""

    index: int
    id: int
    parent: int
    marker: str
    branch: int
    text: str
    begin: int
    end: int
    rewind: int
    begin_seconds: float
    end_seconds: float
    mean_logprob: float
    lowest_logprob: float
    mean_entropy: float
    confidence: float
    discarded: bool
    forced: bool
    open: bool
    @staticmethod
    def _of(n: Any) -> "Step":
        return Step(
            index=n.index, id=n.id, parent=n.parent, marker=_MARKERS.get(n.marker, "unknown"),
            branch=n.branch, text=n.text, begin=n.begin, end=n.end, rewind=n.rewind,
            begin_seconds=n.begin_seconds, end_seconds=n.end_seconds,
            mean_logprob=n.mean_logprob, lowest_logprob=n.lowest_logprob,
            mean_entropy=n.mean_entropy, confidence=n.confidence,
            discarded=bool(n.flags & 1), forced=bool(n.flags & 2), open=bool(n.flags & 4),
        )._keep(n)  # fmt: skip


@dataclass(frozen=True)
class Token:
    """The record of one token of the session; `text` is its own bytes."""

    token: int
    position: int
    seconds: float
    text: bytes
    step: int
    channel: str
    source: str
    rank: int
    logprob: float
    entropy: float
    sampled_logprob: float
    branch: int
    alternatives: List[Alternative]
    experts: List[Expert]

    @staticmethod
    def _of(n: Any) -> "Token":
        return Token(
            token=n.token, position=n.position, seconds=n.microseconds * 1e-6, text=n.text,
            step=n.step, channel=_CHANNELS.get(n.channel, "unknown"),
            source=_SOURCES.get(n.source, "unknown"), rank=n.rank, logprob=n.logprob,
            entropy=n.entropy, sampled_logprob=n.sampled_logprob, branch=n.branch,
            alternatives=_alternatives(n), experts=_experts(n),
        )  # fmt: skip


@dataclass(frozen=True)
class Usage:
    """The bill of a request: tokens and seconds of each phase."""

    prompt_tokens: int
    cached_tokens: int
    thinking_tokens: int
    answer_tokens: int
    forced_tokens: int
    discarded_tokens: int
    passes: int
    prompt_seconds: float
    thinking_seconds: float
    answer_seconds: float
    total_seconds: float

    @staticmethod
    def _of(n: Any) -> "Usage":
        return Usage(**{name: getattr(n, name) for name in Usage.__dataclass_fields__})
