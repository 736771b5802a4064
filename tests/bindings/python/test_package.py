"""The package's face: its names, what they print, the extension's stub, the log, logits."""

import ast
import dataclasses
import inspect
import math
import pathlib
import sys
import threading
import time

import pytest
import raison
from raison import _raison

from conftest import QUESTION

STUB = pathlib.Path(raison.__file__).with_name("_raison.pyi")


def names_in(body):
    """Names that a module's or a class's stub declares; those that begin with _ are private."""
    out = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out[node.name] = node
        elif isinstance(node, ast.AnnAssign):
            out[node.target.id] = node
    return {name: node for name, node in out.items() if not name.startswith("_")}


def names_of(thing):
    return {name for name in vars(thing) if not name.startswith("_")}


def test_the_stub_is_the_extension():
    declared = names_in(ast.parse(STUB.read_text()).body)
    assert set(declared) == names_of(_raison)
    for name, node in declared.items():
        thing = getattr(_raison, name)
        if isinstance(node, ast.ClassDef):
            if name == "NativeError":
                continue  # its status is put on the object
            members = names_in(node.body)
            assert set(members) == names_of(thing), name
            for member, one in members.items():
                call = not isinstance(vars(thing)[member], property)
                assert call == isinstance(one, ast.FunctionDef), (name, member)
        else:
            assert callable(thing) == isinstance(node, ast.FunctionDef), name


def test_all_names_are_there_documented_and_typed():
    assert sorted(raison.__all__) == raison.__all__
    own = {n for n, v in vars(raison).items() if not n.startswith("_") and not inspect.ismodule(v)}
    assert own == set(raison.__all__)
    assert STUB.with_name("py.typed").exists()
    for name in raison.__all__:
        thing = getattr(raison, name)
        assert inspect.getdoc(thing), name
        if not inspect.isclass(thing) or issubclass(thing, BaseException):
            continue
        for member, value in vars(thing).items():
            if member.startswith("_") or not callable(value):
                continue
            hints = inspect.signature(value)
            assert hints.return_annotation is not inspect.Signature.empty, (name, member)


def test_generate_options(session):
    options = raison.GenerateOptions(temperature=0, stop=["7"], seed=3)
    assert repr(options) == "GenerateOptions(seed=3, temperature=0, stop=['7'])"
    session.ask(QUESTION, options, max_tokens=30, seed=4)  # keywords have the last word
    used = session.options
    assert isinstance(used, raison.GenerateOptions)
    assert (used.temperature, used.stop, used.max_tokens, used.seed) == (0, ["7"], 30, 4)
    assert (used.branch, used.thinking, used.sampling_order) == (0, "auto", "hf")
    assert used.think_budget_hard is None and used.logit_bias is None
    list(session)
    first = [t.token for t in session.tokens]
    # What was used can be used again, branch and all.
    session.rewind(session.usage.prompt_tokens, used)
    list(session)
    assert [t.token for t in session.tokens] == first
    every = raison.GenerateOptions(
        logit_bias={5: -1.5}, thinking=False, release="step", sampling_order="llama.cpp",
        experts=True, trace_prompt=True, continuation="Hm", alternatives=2, think_budget_soft=9,
        think_budget_hard=10, think_minimum=3, answer_reserve=4, top_k=7, branch=6,
        template_arguments={"x": 1}, exclude_first_token=True,
    )  # fmt: skip
    session.ask(QUESTION, every)
    used = session.options
    for field in dataclasses.fields(every):
        value = getattr(every, field.name)
        if value is not None and field.name not in ("thinking", "template_arguments"):
            assert getattr(used, field.name) == value, field.name
    assert used.thinking == "off" and used.template_arguments == '{"x": 1}'
    with pytest.raises(TypeError, match="options"):
        session.ask(QUESTION, {"temperature": 0})


def test_model_info_and_tensors(model):
    info = model.info
    assert isinstance(info, raison.ModelInfo)
    assert repr(info).startswith("<raison.ModelInfo 'Petit' deepseek_v3 Q8_0, 16.8M parameters")
    tensors = model.tensors
    assert len(tensors) == info.tensors > 50
    assert all(isinstance(t, raison.TensorInfo) for t in tensors)
    assert sum(math.prod(t.shape) for t in tensors) == info.parameters
    assert tensors[0].name in repr(tensors[0])


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"temperature": "hot"}, TypeError, "temperature = 'hot': wanted a number"),
        ({"temperature": float("nan")}, raison.ArgumentError, "temperature = nan"),
        ({"seed": -1}, raison.ArgumentError, "seed = -1: out of range"),
        ({"seed": 2**64}, raison.ArgumentError, "seed = 18446744073709551616: out of range"),
        ({"max_tokens": 2**40}, raison.ArgumentError, "max_tokens = 1099511627776: out of range"),
        ({"max_tokens": 1.5}, TypeError, "max_tokens = 1.5: wanted an integer"),
        ({"stop": [1]}, TypeError, r"stop = \[1\]: wanted a text or a list of texts"),
        ({"stop": 7}, TypeError, "stop = 7"),
        ({"logit_bias": [1]}, TypeError, r"logit_bias = \[1\]: wanted a mapping"),
        ({"logit_bias": {"a": 1}}, TypeError, "logit_bias = {'a': 1}"),
        ({"continuation": 7}, TypeError, "continuation = 7: wanted a str"),
        ({"template_arguments": {"x": {1}}}, TypeError, "template_arguments"),
        ({"thinking": 7}, ValueError, "thinking = 7"),
        ({"release": ["step"]}, ValueError, r"release = \['step'\]"),
        ({"continue_last": "yes"}, TypeError, "continue_last = 'yes'"),
    ],
)
def test_what_does_not_fit_is_named(session, options, error, words):
    with pytest.raises(error, match=words):
        session.ask(QUESTION, **options)
    assert not session.running


def test_arguments_that_do_not_fit_are_named(model, session):
    with pytest.raises(TypeError, match=r"messages = 'hello': .*ask\(\)"):
        session.prompt("hello")
    for wrong in ([1], [("user",)], ["user"], [("user", "a", "b")]):
        with pytest.raises(TypeError, match=r"messages\[0\] = "):
            session.prompt(wrong)
    with pytest.raises(TypeError, match="wanted a list"):
        session.prompt(7)
    with pytest.raises(TypeError, match=r"messages\[1\]: a message has role"):
        session.prompt([("user", "x"), {"role": "user"}])
    with pytest.raises(ValueError, match=r"messages\[0\]: role = 'judge'"):
        session.prompt([("judge", "x")])
    with pytest.raises(TypeError, match=r"messages\[0\]: content = None"):
        session.prompt([("user", None)])
    for call in (session.ask, session.prompt_text, session.inject):
        with pytest.raises(TypeError, match="text = 7: wanted a str"):
            call(7)
    with pytest.raises(TypeError, match="position = 'x'"):
        session.rewind("x")
    for name, value in (("threads", "two"), ("context_length", "long"), ("device", 7)):
        with pytest.raises(TypeError, match=f"{name} = {value!r}"):
            raison.Model(**{name: value})
    with pytest.raises(raison.ArgumentError, match="kv_bytes = -1: out of range"):
        raison.Model(kv_bytes=-1)


def test_logits_are_numpy_or_a_list(session, model, monkeypatch):
    numpy = pytest.importorskip("numpy")
    next(e for e in session.ask(QUESTION, temperature=0) if e.kind == "token")
    row = session.logits()
    assert isinstance(row, numpy.ndarray)
    assert row.dtype == numpy.float32 and row.shape == (model.info.vocabulary,)
    monkeypatch.setitem(sys.modules, "numpy", None)  # as if it were not installed
    plain = session.logits()
    assert type(plain) is list and plain == row.tolist()


def test_the_log_goes_to_logging(caplog, monkeypatch):
    caplog.set_level("DEBUG", logger="raison")
    raison.Model(threads=1).close()
    assert not [r for r in caplog.records if r.levelname in ("ERROR", "WARNING")]
    monkeypatch.setenv("RAISON_CPU", "nonsense")
    raison.Model(threads=1).close()
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1 and warnings[0].name == "raison"
    assert "nonsense" in warnings[0].getMessage()


def test_other_threads_run_during_a_prompt(session):
    ticks = []
    over = threading.Event()

    def tick():
        while not over.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    # One native call does all of the prompt: with the lock held nobody would tick inside it.
    session.prompt_text("1 " * 900, temperature=0, max_tokens=1, wait_ms=60000)
    thread.start()
    begin = time.monotonic()
    while session.next().kind == "progress":
        pass
    end = time.monotonic()
    over.set()
    thread.join()
    inside = [t for t in ticks if begin < t < end]
    longest = max(b - a for a, b in zip([begin, *inside], [*inside, end]))
    assert len(inside) >= 5
    assert longest < 0.8 * (end - begin), (longest, end - begin)
