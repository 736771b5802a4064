"""Options of a request: checked by name, and turned into the extension's struct and back."""

import json
import math
from dataclasses import dataclass, fields
from typing import Any, Dict, List, Mapping, Optional, Union

from . import _raison
from ._errors import make_error

_THINKING = {"auto": 0, "on": 1, "off": 2}
_RELEASE = {"token": 0, "step": 1}
_ORDER = {"hf": 0, "llama.cpp": 1}
_INTEGERS = frozenset(
    "max_tokens seed branch top_k penalty_last_n think_budget_soft think_budget_hard think_minimum "
    "answer_reserve alternatives wait_ms".split()
)
_NUMBERS = frozenset(
    "temperature top_p min_p repetition_penalty presence_penalty frequency_penalty".split()
)
_SWITCHES = frozenset(("exclude_first_token", "continue_last"))
# How long one native call may wait before Python looks for Ctrl-C and cancelled tasks.
_WAIT_MS = 50
_ARGUMENT = -10  # RSN_ERR_ARGUMENT
_TEXT = -12  # RSN_ERR_TEXT


@dataclass(frozen=True)
class GenerateOptions:
    """Options of one request; None is "not set": what the model's file recommends, else raison.h's
    default. Every request takes them as keywords or as one of these:

        session.ask("What is 12 * 13?", temperature=0)
        session.ask("What is 12 * 13?", GenerateOptions(temperature=0))
    """

    max_tokens: Optional[int] = None
    seed: Optional[int] = None
    branch: Optional[int] = None
    temperature: Optional[float] = None
    top_p: Optional[float] = None
    min_p: Optional[float] = None
    repetition_penalty: Optional[float] = None
    presence_penalty: Optional[float] = None
    frequency_penalty: Optional[float] = None
    top_k: Optional[int] = None
    penalty_last_n: Optional[int] = None
    sampling_order: Optional[str] = None  # "hf", "llama.cpp"
    logit_bias: Optional[Mapping[int, float]] = None  # token: added to its logit
    stop: Union[str, List[str], None] = None
    thinking: Union[str, bool, None] = None  # "auto", "on", "off"
    think_budget_soft: Optional[int] = None
    think_budget_hard: Optional[int] = None
    think_minimum: Optional[int] = None
    answer_reserve: Optional[int] = None
    continuation: Optional[str] = None
    template_arguments: Union[str, Mapping[str, Any], None] = None
    experts: Optional[bool] = None
    trace_prompt: Optional[bool] = None
    alternatives: Optional[int] = None
    release: Optional[str] = None  # "token", "step"
    wait_ms: Optional[int] = None
    exclude_first_token: Optional[bool] = None
    continue_last: Optional[bool] = None

    def __repr__(self) -> str:
        """What is set, as it would be written."""
        told = (f"{name}={value!r}" for name, value in self._set().items())
        return f"GenerateOptions({', '.join(told)})"

    def _set(self) -> Dict[str, Any]:
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: value for name, value in values if value is not None}

    @staticmethod
    def _of(n: Any) -> "GenerateOptions":
        def name_of(value: int, table: Mapping[str, int]) -> str:
            return next((name for name, number in table.items() if number == value), "unknown")

        values: Dict[str, Any] = {name: getattr(n, name) for name in _INTEGERS}
        # -1 is left where there is no limit.
        values = {name: value for name, value in values.items() if value != -1}
        values.update({name: getattr(n, name) for name in _NUMBERS})
        values.update({name: bool(getattr(n, name)) for name in _SWITCHES})
        return GenerateOptions(
            **values,
            sampling_order=name_of(n.sampling_order, _ORDER),
            logit_bias=dict(zip(n.logit_bias_tokens, n.logit_bias)) or None,
            stop=list(n.stop) or None,
            thinking=name_of(n.thinking, _THINKING),
            continuation=n.continuation,
            template_arguments=n.template_arguments or None,
            experts=bool(n.trace & _raison.TRACE_EXPERTS),
            trace_prompt=bool(n.trace & _raison.TRACE_PROMPT),
            release=name_of(n.release, _RELEASE),
        )


def choice(name: str, value: Any, table: Mapping[str, int]) -> int:
    if not isinstance(value, str) or value not in table:
        raise ValueError(f"{name} = {value!r}: wanted one of {', '.join(map(repr, table))}")
    return table[value]


def assign(native: Any, name: str, value: Any, wanted: str) -> None:
    """Sets a member of the extension's struct; what does not fit is named."""
    if isinstance(value, str):
        text_argument(name, value)
    try:
        setattr(native, name, value)
    except (TypeError, OverflowError):
        if isinstance(value, int) and wanted == "an integer":
            # The right kind, but beyond what the struct holds.
            raise make_error(_ARGUMENT, f"{name} = {value}: out of range") from None
        raise TypeError(f"{name} = {value!r}: wanted {wanted}") from None


def text_argument(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} = {value!r}: wanted a str")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise make_error(
            _TEXT, f"{name} holds half of a surrogate pair at index {error.start}"
        ) from None
    return value


def _assign_stop(native: Any, value: Any) -> None:
    wanted = "a text or a list of texts"
    if isinstance(value, str):
        value = [value]
    try:
        texts = [text_argument("stop", text) for text in value]
    except TypeError:
        raise TypeError(f"stop = {value!r}: wanted {wanted}") from None
    assign(native, "stop", texts, wanted)


def _assign_logit_bias(native: Any, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise TypeError(f"logit_bias = {value!r}: wanted a mapping of tokens to numbers")
    try:
        native.logit_bias_tokens = list(value.keys())
        native.logit_bias = list(value.values())
    except TypeError:
        raise TypeError(f"logit_bias = {value!r}: wanted a mapping of tokens to numbers") from None


def _template_arguments(value: Any) -> str:
    if isinstance(value, str):
        return text_argument("template_arguments", value)
    try:
        return json.dumps(value)
    except (TypeError, ValueError) as error:
        raise TypeError(f"template_arguments = {value!r}: {error}") from None


def merge(options: Optional[GenerateOptions], keywords: Mapping[str, Any]) -> Dict[str, Any]:
    """One set of options; keywords have the last word."""
    if options is None:
        return dict(keywords)
    if not isinstance(options, GenerateOptions):
        raise TypeError(f"options = {options!r}: wanted GenerateOptions or keywords")
    return {**options._set(), **keywords}


def generate_options(options: Mapping[str, Any]) -> Any:
    native = _raison.GenerateOptions()
    native.wait_ms = _WAIT_MS
    for name, value in options.items():
        if value is None:
            continue  # not set
        if name in _INTEGERS:
            assign(native, name, value, "an integer")
        elif name in _NUMBERS:
            # NaN would be "not set" to the library, which nobody can have meant.
            if isinstance(value, float) and math.isnan(value):
                raise make_error(_ARGUMENT, f"{name} = nan: wanted a number")
            assign(native, name, value, "a number")
        elif name in _SWITCHES:
            assign(native, name, value, "True or False")
        elif name == "continuation":
            assign(native, name, value, "a str")
        elif name == "stop":
            _assign_stop(native, value)
        elif name == "logit_bias":
            _assign_logit_bias(native, value)
        elif name == "thinking":
            if isinstance(value, bool):
                value = "on" if value else "off"
            native.thinking = choice(name, value, _THINKING)
        elif name == "release":
            native.release = choice(name, value, _RELEASE)
        elif name == "sampling_order":
            native.sampling_order = choice(name, value, _ORDER)
        elif name == "template_arguments":
            native.template_arguments = _template_arguments(value)
        elif name == "experts":
            native.trace |= _raison.TRACE_EXPERTS if value else 0
        elif name == "trace_prompt":
            native.trace |= _raison.TRACE_PROMPT if value else 0
        else:
            raise TypeError(f"unknown option {name!r}")
    return native
