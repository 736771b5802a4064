#!/usr/bin/env python3
"""Makes templates.json: what transformers renders for the chat templates in templates/*.jinja.

    pip install transformers==5.23.0 jinja2==3.1.6 && python tests/golden/text/make_templates.py

The templates are the models' own as found in published GGUF files (npm @huggingface/ollama-utils 0.0.18,
MIT); petit.jinja is the built-in model's. A message's earlier thinking is given under both names that
templates read, reasoning_content and thinking. The clock is fixed.
"""
import datetime
import json
import os
import sys

import jinja2
import transformers
from transformers.utils.chat_template_utils import _compile_jinja_template

HERE = os.path.dirname(os.path.abspath(__file__))
CLOCK = datetime.datetime(2026, 3, 7, 9, 5, 2)
TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather \"now\" in a city, <or> a town & more: caf\u00e9\nin degrees.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "name's"},
        "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
        "days": {"type": "array", "items": {"type": "number", "minimum": 1.0, "maximum": 1e22}}},
        "required": ["city"]}}}
TOOL2 = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object",
                                                                                        "properties": {}}}}


def m(role, content, thinking=""):
    return {"role": role, "content": content, "thinking": thinking}


S, U1, A1, U2 = m("system", "Be brief."), m("user", "Why?"), m("assistant", "Because."), m("user", "And?")
# name -> (messages, arguments, tools)
DIALOGS = {
    "user": ([U1], {}, None),
    "system": ([S], {}, None),
    "empty": ([], {}, None),
    "system_user": ([S, U1], {}, None),
    "two_turns": ([U1, A1, U2], {}, None),
    "system_two_turns": ([S, U1, A1, U2], {}, None),
    "three_turns": ([S, U1, A1, U2, m("assistant", " spaces around \n"), m("user", "  last\n\n")], {}, None),
    "two_systems": ([S, m("system", "Be kind."), U1], {}, None),
    "system_in_the_middle": ([U1, A1, S, U2], {}, None),
    "assistant_first": ([A1, U1], {}, None),
    "consecutive_users": ([U1, U2], {}, None),
    "ends_with_assistant": ([U1, A1], {}, None),
    "inline_thinking": ([U1, m("assistant", "<think>\nT1\n</think>\n\nA1"), U2], {}, None),
    "only_the_close_tag": ([U1, m("assistant", "T1</think>A1"), U2], {}, None),
    "two_blocks": ([U1, m("assistant", "<think>a</think>b<think>c</think>d"), U2], {}, None),
    "thinking_field": ([U1, m("assistant", "A1", "T1\nT1"), U2], {}, None),
    "thinking_at_the_end": ([U1, m("assistant", "A1", "T1")], {}, None),
    "empty_content": ([m("user", ""), m("assistant", ""), U2], {}, None),
    "enable_thinking_off": ([S, U1, A1, U2], {"enable_thinking": False}, None),
    "enable_thinking_on": ([U1], {"enable_thinking": True}, None),
    "thinking_on": ([U1, A1, U2], {"thinking": True}, None),
    "thinking_off": ([U1], {"thinking": False}, None),
    "date": ([U1], {"date_string": "1 Jan 2030"}, None),
    "tools": ([U1], {}, [TOOL]),
    "two_tools": ([S, U1, A1, U2], {}, [TOOL, TOOL2]),
    "tool_result": ([U1, m("assistant", "calling"), m("tool", "{\"t\": 21.5}"), m("tool", "second")], {}, [TOOL]),
    "jinja_in_text": ([m("user", "{{ 7*7 }} {% raw %} {# x #} ' \" \\ <&>")], {}, None),
    "unicode": ([m("user", "\U0001f600 \u4f60\u597d \u05e9\u05dc\u05d5\u05dd e\u0301 \r\n\t\x01 \u2028"), m("assistant", "\u00dcber"), U2], {}, None),
    "unknown_role": ([m("narrator", "Once.")], {}, None),
}


def render(source, name, tokens, generate):
    messages, arguments, tools = DIALOGS[name]
    converted = []
    for one in messages:
        message = {"role": one["role"]}
        if one["thinking"]:
            message["reasoning_content"] = message["thinking"] = one["thinking"]
        message["content"] = one["content"]
        converted.append(message)
    variables = dict(tokens, messages=converted, add_generation_prompt=generate,
                     strftime_now=lambda f: CLOCK.strftime(f), **arguments)
    if tools is not None:
        variables["tools"] = tools
    try:
        return {"text": _compile_jinja_template(source).render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        return {"error": str(error)}
    except TypeError:
        return {"error": ""}


def vectors(sources, tokens):
    templates = {}
    for name, source in sources.items():
        own = tokens.get(name, tokens[""])
        templates[name] = {"source": source, "tokens": own, "expected": {
            dialog: [render(source, dialog, own, generate) for generate in (True, False)] for dialog in DIALOGS}}
    return {
        "made_by": f"tests/golden/text/make_templates.py with transformers {transformers.__version__}, "
                   f"jinja2 {jinja2.__version__}",
        "clock": [CLOCK.year, CLOCK.month, CLOCK.day, CLOCK.hour, CLOCK.minute, CLOCK.second],
        "dialogs": {name: {"messages": messages, "arguments": arguments, "tools": tools}
                    for name, (messages, arguments, tools) in DIALOGS.items()},
        "templates": templates}


DEEPSEEK = {"bos_token": "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "eos_token": "<\uff5cend\u2581of\u2581sentence\uff5c>"}
LLAMA2 = {"bos_token": "<s>", "eos_token": "</s>"}
TOKENS = {"": {"eos_token": "<|im_end|>"}, "mistral": LLAMA2, "mixtral": LLAMA2, "mistral-small": LLAMA2,
          "llama3": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
          "llama3.1": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
          "llama3.2": {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
          "olmo2": {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}, "petit": DEEPSEEK}


def main():
    folder = os.path.join(HERE, "templates")
    sources = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), newline="") as f:
            sources[name[:-len(".jinja")]] = f.read()
    tokens = dict(TOKENS, **{name: DEEPSEEK for name in sources if name.startswith("deepseek")})
    out = vectors(sources, tokens)
    for template in out["templates"].values():
        del template["source"]
    path = os.path.join(HERE, "templates.json")
    with open(path, "w") as f:
        text = json.dumps(out, ensure_ascii=True, separators=(",", ":"))
        f.write(text.replace('"expected":', '\n"expected":').replace("]],", "]],\n").replace("}],", "}],\n") + "\n")
    print(path, os.path.getsize(path), "bytes")


if __name__ == "__main__":
    sys.exit(main())
