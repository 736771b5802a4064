"""Steering, cancellation, Ctrl-C and asyncio."""

import asyncio
import subprocess
import sys
import threading

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
    events, begun = [], threading.Event()
    thread = threading.Thread(target=lambda: begun.wait(30) and session.cancel())
    session.ask(QUESTION, **LONG)
    thread.start()
    for event in session:
        events.append(event)
        begun.set()
    thread.join()
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
        begun = asyncio.Event()

        async def work():
            async for _ in session.astream(QUESTION, **LONG):
                begun.set()

        task = asyncio.create_task(work())
        await asyncio.wait_for(begun.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    rest = list(session)
    assert len([e for e in rest if e.kind == "token"]) <= 1
    assert session.ask("What is 2 + 3?", temperature=0).run() == "The answer is 5."


def test_a_task_cancelled_in_its_loops_body_cancels_the_request(session):
    async def main(close):
        seen = []

        async def work():
            stream = session.astream(QUESTION, **LONG)
            async for event in stream:
                if event.kind == "token":
                    seen.append(event)
                if len(seen) == 3:
                    break
            if close:
                await stream.aclose()
                return
            async for event in stream:  # a break left it running
                seen.append(event)
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        while len(seen) < (3 if close else 4):
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() != close

    for close in (False, True):
        asyncio.run(main(close))
        assert session.running  # its end is still to be told
        rest = list(session)
        assert [e.kind for e in rest if e.kind == "token"] == []
        assert (rest[-1].kind, rest[-1].reason) == ("done", "cancelled")


def test_a_task_that_goes_on_keeps_its_request(session):
    async def main():
        asked = asyncio.Event()

        async def first():
            async for _ in session.astream(QUESTION, **LONG):
                break
            # Another request of the same session: what becomes of this task's stream is over.
            session.ask("What is 2 + 3?", temperature=0)
            asked.set()
            await asyncio.sleep(60)

        task = asyncio.create_task(first())
        await asyncio.wait_for(asked.wait(), 30)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())
    assert session.run() == "The answer is 5."


def interrupted(program):
    """Runs a program that sends itself Ctrl-C, with `interrupt_soon(count)` at hand: a thread that
    waits for the 5th token, then calls `count` and interrupts with no token in between."""
    prologue = (
        "import os, raison, signal, sys, threading, time\n"
        # A test run in the background of a shell inherits the signal as ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.setswitchinterval(1000)\n"  # no other thread between two statements
        "model, question = raison.Model(threads=1), 'What is 12 * 13?'\n"
        "long = dict(temperature=1.5, think_minimum=1800)\n"
        "tokens, before = [], []\n"
        "def wait():\n"
        "    while len(tokens) < 5: time.sleep(0.001)\n"
        "    before.append(len(tokens)); os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=wait).start()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prologue + program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [int(n) for n in done.stdout.split()]


def test_keyboard_interrupt_within_one_token():
    after, rest, cancelled = interrupted(
        "s = model.session()\n"
        "try:\n"
        "    for e in s.ask(question, **long):\n"
        "        if e.kind == 'token': tokens.append(e)\n"
        "except KeyboardInterrupt:\n"
        "    rest = list(s)\n"
        "    print(len(tokens) - before[0], sum(e.kind == 'token' for e in rest),\n"
        "          int(rest[-1].reason == 'cancelled'))\n"
    )
    assert after <= 1 and rest <= 1 and cancelled


def test_keyboard_interrupt_ends_all_that_step_together():
    after, rest, cancelled = interrupted(
        "sessions = [model.session().ask(question, seed=i, **long) for i in range(3)]\n"
        "try:\n"
        "    for s, e in raison.step_all(sessions):\n"
        "        if e.kind == 'token': tokens.append(e)\n"
        "except KeyboardInterrupt:\n"
        "    rest = [list(s) for s in sessions]\n"
        "    print(len(tokens) - before[0], max(sum(e.kind == 'token' for e in r) for r in rest),\n"
        "          sum(r[-1].reason == 'cancelled' for r in rest))\n"
    )
    assert after <= 3 and rest <= 1 and cancelled == 3


def test_an_exception_in_a_callback_ends_the_request(session):
    def fails(s, event):
        if event.kind == "token":
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        session.ask(QUESTION, **LONG).run(fails)
    rest = list(session)
    assert len(rest) < 10 and rest[-1].reason == "cancelled"
