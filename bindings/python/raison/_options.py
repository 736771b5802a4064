"""Keyword options of a request, checked by name and turned into the extension's struct."""

import json
from typing import Any, Mapping

from . import _raison

_THINKING = {"auto": 0, "on": 1, "off": 2}
_RELEASE = {"token": 0, "step": 1}
_ORDER = {"hf": 0, "llama.cpp": 1}
_PLAIN = frozenset(
    "max_tokens seed branch temperature top_p min_p repetition_penalty presence_penalty "
    "frequency_penalty top_k penalty_last_n think_budget_soft think_budget_hard think_minimum "
    "answer_reserve continuation alternatives wait_ms exclude_first_token continue_last".split()
)
# How long one native call may wait before Python looks for Ctrl-C and cancelled tasks.
_WAIT_MS = 50


def _choice(name: str, value: Any, table: Mapping[str, int]) -> int:
    if value not in table:
        raise ValueError(f"{name} = {value!r}: wanted one of {', '.join(map(repr, table))}")
    return table[value]


def generate_options(options: Mapping[str, Any]) -> Any:
    native = _raison.GenerateOptions()
    native.wait_ms = _WAIT_MS
    for name, value in options.items():
        if value is None:
            continue  # not set
        if name in _PLAIN:
            setattr(native, name, value)
        elif name == "stop":
            native.stop = [value] if isinstance(value, str) else list(value)
        elif name == "logit_bias":
            native.logit_bias_tokens = list(value.keys())
            native.logit_bias = list(value.values())
        elif name == "thinking":
            if isinstance(value, bool):
                value = "on" if value else "off"
            native.thinking = _choice(name, value, _THINKING)
        elif name == "release":
            native.release = _choice(name, value, _RELEASE)
        elif name == "sampling_order":
            native.sampling_order = _choice(name, value, _ORDER)
        elif name == "template_arguments":
            native.template_arguments = value if isinstance(value, str) else json.dumps(value)
        elif name == "experts":
            native.trace |= _raison.TRACE_EXPERTS if value else 0
        elif name == "trace_prompt":
            native.trace |= _raison.TRACE_PROMPT if value else 0
        else:
            raise TypeError(f"unknown option {name!r}")
    return native
