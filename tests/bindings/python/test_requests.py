"""Questions, events, records and limits, through the package alone."""

import copy
import dataclasses
import gc
import json
import math
import os
import pathlib
import pickle
import threading

import pytest
import raison

from conftest import QUESTION


def test_answers(session):
    events = list(session.ask(QUESTION, temperature=0))
    assert session.answer == "3"
    assert session.answer_text == "The answer is 3."
    assert events[-1].kind == "done" and events[-1].reason == "end"
    kinds = [e.kind for e in events]
    assert kinds.index("think_begin") < kinds.index("step_begin") < kinds.index("think_end")
    text = "".join(e.text for e in events if e.kind == "token" and e.channel == "answer")
    assert text == session.answer_text
    assert not session.running


def test_what_was_told_is_a_value_and_json(session):
    events = [e for e in session.ask(QUESTION, temperature=0) if e.kind != "progress"]
    for told in events + session.steps:
        line = json.loads(told.to_json())
        assert line["step"] == told.index if "id" in line else line["event"] == told.kind
        for copied in (copy.deepcopy(told), pickle.loads(pickle.dumps(told))):
            assert copied.to_json() == told.to_json()
            assert repr(copied) == repr(told)
        assert "_native" not in dataclasses.asdict(told)
    changed = dataclasses.replace(events[0], text="another")
    with pytest.raises(ValueError, match="not made by a session"):
        changed.to_json()


def test_steps_tile_the_thinking(session):
    list(session.ask("Solve 3x + 5 = 20.", temperature=0))
    steps = session.steps
    assert len(steps) >= 3
    assert "".join(s.text for s in steps) == session.thinking
    for before, after in zip(steps, steps[1:]):
        assert before.end == after.begin and after.parent == before.id
    assert steps[0].begin == session.usage.prompt_tokens
    assert all(0 < s.confidence <= 1 and not s.open and not s.discarded for s in steps)


def test_records(session):
    list(session.ask("What is 2 + 3?", temperature=0, alternatives=3, experts=True))
    tokens = session.tokens
    new = tokens[session.usage.prompt_tokens :]
    assert math.isnan(tokens[0].logprob)
    for t in new:
        assert t.logprob <= 0 and t.entropy >= 0
        assert len(t.alternatives) == 3
        assert len(t.experts) == 7 * 4  # layers with experts x experts a token
    assert b"".join(t.text for t in new if t.channel == "answer").strip() == b"The answer is 5."
    counts = session.step_experts(0)
    assert sum(counts) == (session.steps[0].end - session.steps[0].begin) * 7 * 4


def test_logits_name_the_greedy_token(session):
    events = iter(session.ask(QUESTION, temperature=0))
    first = next(e for e in events if e.kind == "token")
    logits = session.logits()
    assert len(logits) == session._model.info().vocabulary
    best = max(range(len(logits)), key=lambda i: logits[i])
    following = next(e for e in events if e.kind == "token")
    assert following.token == best and first.token != -1


def test_conversation_reuses_the_prefix(session):
    list(session.prompt([{"role": "user", "content": "What is 2 + 3?"}], temperature=0))
    messages = [
        raison.Message("user", "What is 2 + 3?"),
        raison.Message("assistant", session.answer_text, session.thinking),
        ("user", "What is 7 + 8?"),
    ]
    list(session.prompt(messages, temperature=0))
    assert session.usage.cached_tokens > 5
    assert session.answer == "15"


def test_seed_and_branch_decide(model):
    def run(**options):
        with model.session() as s:
            list(s.ask(QUESTION, temperature=3.0, max_tokens=40, **options))
            return [t.token for t in s.tokens]

    assert run(seed=1) == run(seed=1)
    assert run(seed=1) != run(seed=2)
    assert run(seed=1) != run(seed=1, branch=1)


def test_sessions_step_together(model):
    sessions = [model.session() for _ in range(8)]
    passes = model.info.passes
    for i, s in enumerate(sessions):
        s.ask(QUESTION, temperature=1.0, seed=i, max_tokens=16)
    seen = {id(s): 0 for s in sessions}
    for s, event in raison.step_all(sessions):
        seen[id(s)] += event.kind == "token"
    assert set(seen.values()) == {16}
    assert model.info.passes - passes == 16


def test_threads_share_a_model(model):
    answers = {}

    def work(n):
        with model.session() as s:
            list(s.ask(f"What is {n} + {n}?", temperature=0))
            answers[n] = s.answer

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2, 8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert answers == {n: str(2 * n) for n in range(2, 8)}


def test_memory_and_header_loads(model):
    data = pathlib.Path(model.info.path).read_bytes()
    with raison.Model.from_bytes(data, threads=1) as m, m.session() as s:
        assert s.ask("What is 2 + 3?", temperature=0).run() == "The answer is 5."
    seen = []
    with raison.Model(load="header") as m:
        assert m.info.experts == 16 and m.tokenize("hi")
        with pytest.raises(raison.StateError):
            m.session()
    with raison.Model(threads=1, progress=lambda done, total: seen.append((done, total))):
        pass
    assert seen and seen[-1][0] == seen[-1][1]
    with pytest.raises(raison.CancelledError):
        raison.Model(progress=lambda done, total: False)

    def fails(done, total):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        raison.Model(progress=fails)


def test_text(model):
    ids = model.tokenize("<think> 12 × 13")
    assert model.detokenize(ids) == "<think> 12 × 13".encode()
    assert model.tokenize("<think>", special=True) == [model.info.think_begin_token]
    rendered = model.render([("user", "hello")])
    assert rendered.endswith("<think>\n") and "hello" in rendered
    assert "weights" in model.plan().lower()


@pytest.mark.parametrize(
    "options, error",
    [
        ({"temprature": 1}, TypeError),
        ({"temperature": -1}, raison.ArgumentError),
        ({"temperature": float("nan"), "top_p": 2}, raison.ArgumentError),
        ({"thinking": "maybe"}, ValueError),
        ({"template_arguments": "[1]"}, ValueError),
        ({"stop": ""}, raison.ArgumentError),
        ({"max_tokens": 0}, raison.ArgumentError),
        ({"alternatives": 1000}, raison.ArgumentError),
    ],
)
def test_wrong_options_are_named(session, options, error):
    with pytest.raises(error):
        session.ask(QUESTION, **options)
    assert not session.running


def test_errors_have_classes_and_sentences(model, tmp_path):
    with pytest.raises(raison.FileNotFound, match="nothing.gguf") as e:
        raison.Model(tmp_path / "nothing.gguf")
    assert e.value.status == -20 and isinstance(e.value, FileNotFoundError)
    with pytest.raises(raison.FileNotFound, match="empty") as e:
        raison.Model("")  # an empty setting is not the wish for the built-in model
    assert e.value.status == -20
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + b"\xff" * 60)
    with pytest.raises(raison.FormatError, match="bad.gguf"):
        raison.Model(bad)
    with model.session() as s:
        with pytest.raises(raison.StateError):
            s.next()
        with pytest.raises(raison.ContextError):
            s.ask("1 " * 5000)
    with pytest.raises(raison.StateError, match="closed") as e:
        s.ask("x")
    assert raison.status_name(e.value.status) == "RSN_ERR_STATE"
    with pytest.raises(raison.ArgumentError):
        model.session(context_length=10**6)


def test_texts_cross_unchanged(model):
    texts = ["", "\U0001F600", "a\0b", "e\u0301 \u0915\u094D\u0937\u093F"]
    texts.append("\U0001F600 \0 12 * 13 " * 70000)
    assert len(texts[-1].encode()) > 1 << 20
    for text in texts:
        assert model.detokenize(model.tokenize(text)).decode() == text
        assert text in model.render([("user", text)])


@pytest.mark.parametrize("half", ["\ud83d", "a\ude00b"])
def test_half_of_a_surrogate_pair_is_named(model, half):
    with model.session() as s:
        for call in (
            lambda: s.ask(half),
            lambda: s.prompt([("user", half)]),
            lambda: s.prompt([raison.Message("assistant", "x", half)]),
            lambda: s.prompt_text(half),
            lambda: s.inject(half),
            lambda: s.ask("x", stop=["y", half]),
            lambda: s.ask("x", stop=half),
            lambda: s.ask("x", continuation=half),
            lambda: s.ask("x", template_arguments=half),
            lambda: model.tokenize(half),
            lambda: model.render([("user", half)]),
            lambda: raison.Model(half),
            lambda: raison.Model(device=half),
        ):
            with pytest.raises(raison.TextError, match="half of a surrogate pair"):
                call()


def test_a_hostile_files_bytes_become_readable(model):
    data = pathlib.Path(model.info.path).read_bytes()

    def with_value(key, place):
        at = data.index(key) + len(key) + 4 + 8 + place  # behind the type and the length
        return data[:at] + b"\xff\xfe" + data[at + 2 :]

    for key in (b"general.architecture", b"tokenizer.ggml.pre", b"tokenizer.ggml.model"):
        with pytest.raises(raison.Error, match="\ufffd\ufffd"):
            raison.Model.from_bytes(with_value(key, 1), threads=1)
    with raison.Model.from_bytes(with_value(b"general.name", 0), load="header") as m:
        assert m.info.name.startswith("\ufffd\ufffd")


def test_any_order_of_goodbyes():
    for _ in range(5):
        model = raison.Model(threads=1)
        a, b = model.session(), model.session()
        a.ask(QUESTION, temperature=0)
        next(iter(a))
        fork = a.fork()
        model.close()
        del model
        gc.collect()
        a.close()
        assert fork.run() == "The answer is 3."
        b.ask("What is 2 + 3?", temperature=0)
        del fork, b
        gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_gets_an_error(model):
    with model.session() as s:
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                s.ask(QUESTION)
            except raison.ForkedError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        assert s.ask("What is 2 + 3?", temperature=0).run() == "The answer is 5."


def test_devices():
    assert raison.devices()[0].name == "cpu" and not raison.devices()[0].problem
