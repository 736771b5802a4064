"""Steering, cancellation, Ctrl-C and asyncio."""

import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest
import raison

from conftest import QUESTION

LONG = {"temperature": 1.5, "think_minimum": 1500}


@pytest.mark.parametrize("budget", [0, 1, 10])
def test_hard_budget(session, budget):
    list(session.ask(QUESTION, temperature=0, think_budget_hard=budget))
    new = session.tokens[session.usage.prompt_tokens :]
    drawn = [t for t in new if t.channel == "thinking" and t.source == "sampled"]
    assert len(drawn) == budget
    assert session.answer_text


def test_callback_steers(session):
    seen = []

    def callback(s, event):
        assert s is session
        seen.append(event.kind)
        if event.kind == "step_end":
            return "end_thinking"

    session.ask("Solve 3x + 5 = 20.", temperature=0).run(callback)
    assert seen.count("step_end") <= 2 and seen[-1] == "done"
    assert session.steps[0].text in session.thinking
    assert session.answer_text

    session.ask(QUESTION, temperature=0).run(lambda s, e: "stop" if e.kind == "token" else None)
    assert session.position == session.usage.prompt_tokens + 1

    with pytest.raises(ValueError, match="nonsense"):
        session.ask(QUESTION).run(lambda s, e: "nonsense")

    def fails(s, event):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        session.ask(QUESTION).run(fails)
    assert session.ask("What is 2 + 3?", temperature=0).run() == "The answer is 5."


def test_inject_and_rewind(session):
    for event in session.ask("Solve 3x + 5 = 20.", temperature=0):
        if event.kind == "step_end":
            break
    session.inject("Let me think. ")
    list(session)
    assert "Let me think. " in session.thinking
    first = session.steps[0]
    session.rewind(first.rewind)
    assert session.position == first.rewind
    list(session)
    assert session.steps[0].discarded
    live = [s for s in session.steps if not s.discarded]
    assert "".join(s.text for s in live) == session.thinking
    with pytest.raises(raison.ArgumentError):
        session.rewind(0)


def test_fork_branches(session):
    events = iter(session.ask(QUESTION, temperature=3.0))
    for _ in range(6):
        next(events)
    same, other = session.fork(temperature=3.0, branch=0), session.fork()
    texts = []
    for s in (session, same, other):
        s.run()
        texts.append([t.token for t in s.tokens])
    assert texts[0] == texts[1] != texts[2]


def test_cancel_from_another_thread(session):
    events = []
    timer = threading.Timer(0.2, session.cancel)
    session.ask(QUESTION, **LONG)
    timer.start()
    for event in session:
        events.append(event)
    timer.join()
    assert events[-1].kind == "done" and events[-1].reason == "cancelled"


def test_async(model):
    async def one(n):
        with model.session() as s:
            text = ""
            async for event in s.astream(f"What is {n} + 1?", temperature=0):
                if event.kind == "token" and event.channel == "answer":
                    text += event.text
            return text

    async def main():
        return await asyncio.gather(*(one(n) for n in range(1, 5)))

    assert asyncio.run(main()) == [f"The answer is {n + 1}." for n in range(1, 5)]


def test_a_cancelled_task_cancels_the_request(session):
    async def main():
        async def work():
            async for _ in session.astream(QUESTION, **LONG):
                pass

        task = asyncio.create_task(work())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    rest = list(session)
    assert len([e for e in rest if e.kind == "token"]) <= 1
    assert session.ask("What is 2 + 3?", temperature=0).run() == "The answer is 5."


def test_keyboard_interrupt():
    program = (
        "import raison, signal, sys\n"
        # A test run in the background of a shell inherits the signal as ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "s = raison.Model(threads=1).session()\n"
        "try:\n"
        "    for e in s.ask('What is 12 * 13?', temperature=1.5, think_minimum=1800):\n"
        "        if e.kind == 'token': print('token', flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', s.position)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as p:
        assert p.stdout.readline() == "token\n"
        time.sleep(0.1)
        p.send_signal(signal.SIGINT)
        out, _ = p.communicate(timeout=60)
    assert "interrupted" in out and p.returncode == 0


def test_log_goes_to_logging(caplog):
    caplog.set_level("DEBUG", logger="raison")
    raison.Model(threads=1).close()  # says at least nothing wrong
    assert all(r.levelname != "ERROR" for r in caplog.records)
