"""Sessions: one timeline each, pulled event by event."""

import asyncio
from typing import (TYPE_CHECKING, Any, Callable, Iterable, Iterator, List, Optional, Sequence,
                    Tuple)  # fmt: skip

from . import _raison
from ._errors import StateError, emit_log, translated
from ._events import Event, Step, Token, Usage
from ._options import GenerateOptions, generate_options, merge, text_argument

if TYPE_CHECKING:
    from ._model import MessageLike

_VERDICTS = (None, "continue", "end_thinking", "stop")


class Session:
    """One timeline of a model. Made by `Model.session()`; used by one thread at a time."""

    def __init__(self, native: Any, model: Any) -> None:
        self._native: Any = native
        self._model: Any = model  # keeps the log's queue, and the model, alive
        self._requests = 0  # made so far: which one a stream belongs to

    def close(self) -> None:
        """Ends a running request and gives the session's memory back."""
        self._native = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _open(self) -> Any:
        if self._native is None:
            raise StateError("the session is closed")
        return self._native

    # ---- requests

    @translated
    def ask(self, text: str, options: Optional[GenerateOptions] = None,
            **keywords: Any) -> "Session":  # fmt: skip
        """Starts a request of one user message; iterate over the session for its events."""
        given = generate_options(merge(options, keywords))
        self._open().ask(text_argument("text", text), given)
        self._requests += 1
        return self

    @translated
    def prompt(self, messages: "Iterable[MessageLike]",
               options: Optional[GenerateOptions] = None, **keywords: Any) -> "Session":  # fmt: skip
        """Starts a request from the whole conversation; the common prefix is not computed again."""
        from ._model import _native_messages

        given = generate_options(merge(options, keywords))
        self._open().prompt(_native_messages(messages), given)
        self._requests += 1
        return self

    @translated
    def prompt_text(self, text: str, options: Optional[GenerateOptions] = None, *,
                    special: bool = False, bos: bool = True,
                    **keywords: Any) -> "Session":  # fmt: skip
        """Starts a request from raw text, without a template."""
        given = generate_options(merge(options, keywords))
        flags = _raison.TOKENIZE_SPECIAL * special | _raison.TOKENIZE_BOS * bos
        self._open().prompt_text(text_argument("text", text), flags, given)
        self._requests += 1
        return self

    @translated
    def next(self) -> Event:
        """The next event; PROGRESS when nothing came within `wait_ms`."""
        event = Event._of(self._open().next())
        emit_log(self._model)
        return event

    def __iter__(self) -> Iterator[Event]:
        """The rest of the request's events, DONE included. A break leaves the request running."""
        while self.running:
            try:
                event = self.next()
            except KeyboardInterrupt:
                self.cancel()
                raise
            yield event

    def astream(self, text: Optional[str] = None, options: Optional[GenerateOptions] = None, *,
                messages: "Optional[Iterable[MessageLike]]" = None,
                **keywords: Any) -> "EventStream":  # fmt: skip
        """Events of a new request (text or messages) or of the running one, for `async for`.

        The work runs in a thread. Where the task that iterates is cancelled, in the stream or in the
        loop's body, the request is cancelled within one token. A break leaves the request running:
        steer it, and go on with another astream().
        """
        if text is not None:
            self.ask(text, options, **keywords)
        elif messages is not None:
            self.prompt(messages, options, **keywords)
        elif options is not None or keywords:
            raise TypeError("options need a text or messages")
        return EventStream(self)

    def run(self, callback: "Optional[Callable[[Session, Event], Optional[str]]]" = None) -> str:
        """Runs the request to its end; the callback steers: None, "end_thinking" or "stop"."""
        if not self.running:
            self.next()  # says so
        thinking = False
        try:
            for event in self:
                if event.kind in ("think_begin", "think_end"):
                    thinking = event.kind == "think_begin"
                verdict = callback(self, event) if callback is not None else None
                if verdict not in _VERDICTS:
                    raise ValueError(
                        f"the callback returned {verdict!r}: wanted one of {_VERDICTS}"
                    )
                if verdict == "end_thinking" and thinking and self.running:
                    self.end_thinking()
                elif verdict == "stop" and self.running:
                    self.stop()
        except BaseException:  # the callback's own, or Ctrl-C: the request is not wanted any more
            self.cancel()
            raise
        return self.answer_text

    # ---- steering

    @translated
    def end_thinking(self) -> None:
        """Closes the thinking; the model answers."""
        self._open().end_thinking()

    @translated
    def stop(self) -> None:
        """Ends the request."""
        self._open().stop()

    @translated
    def inject(self, text: str) -> None:
        """Puts text into the current channel, as if the model had written it."""
        self._open().inject(text_argument("text", text))

    @translated
    def rewind(self, position: int, options: Optional[GenerateOptions] = None,
               **keywords: Any) -> None:  # fmt: skip
        """Goes back to a position and on from there, with the next branch number."""
        if not isinstance(position, int):
            raise TypeError(f"position = {position!r}: wanted an integer")
        if options is not None or keywords:
            self._open().rewind_with(position, generate_options(merge(options, keywords)))
        else:
            self._open().rewind(position)

    @translated
    def fork(self, options: Optional[GenerateOptions] = None, **keywords: Any) -> "Session":
        """A second session with the same tokens, which shares their memory until it writes."""
        native = self._open()
        if options is not None or keywords:
            fork = native.fork_with(generate_options(merge(options, keywords)))
        else:
            fork = native.fork()
        return Session(fork, self._model)

    def cancel(self) -> None:
        """Ends the running request; from any thread."""
        if self._native is not None:
            translated(self._native.cancel)()

    # ---- what there is

    @property
    def running(self) -> bool:
        return bool(translated(self._open().running)())

    @property
    def position(self) -> int:
        """How many tokens the session holds."""
        return int(translated(self._open().position)())

    @property
    @translated
    def steps(self) -> List[Step]:
        """The steps of the request, discarded ones included."""
        native = self._open()
        return [Step._of(native.step(i)) for i in range(native.step_count())]

    @translated
    def step_experts(self, index: int) -> List[int]:
        """How often each expert worked on a step: (layers x experts) row by row."""
        return list(self._open().step_experts(index))

    @property
    @translated
    def tokens(self) -> List[Token]:
        """The records of all tokens, the prompt's included."""
        native = self._open()
        return [Token._of(native.token(i)) for i in range(native.position())]

    @property
    def thinking(self) -> str:
        return str(translated(self._open().text)(_raison.CHANNEL_THINKING))

    @property
    def answer_text(self) -> str:
        """All that was answered."""
        return str(translated(self._open().text)(_raison.CHANNEL_ANSWER))

    @property
    def answer(self) -> str:
        """The final answer in the model's own form: the last \\boxed{}, else what the text says."""
        return str(translated(self._open().answer)()[0])

    @property
    def answer_step(self) -> int:
        """Index of the first step that states the final answer, -1 if none does."""
        return int(translated(self._open().answer)()[1])

    @property
    def usage(self) -> Usage:
        return Usage._of(translated(self._open().usage)())

    @property
    def options(self) -> GenerateOptions:
        """The options that the request really uses; None: no limit, none given."""
        return GenerateOptions._of(translated(self._open().options)())

    @translated
    def logits(self) -> Any:
        """Raw logits after the newest token: a numpy float32 array, or a list without numpy."""
        row = self._open().logits()
        try:
            import numpy
        except ImportError:
            return list(row)
        return numpy.asarray(row, dtype=numpy.float32)


class EventStream:
    """The rest of a request's events for `async for`; made by `Session.astream()`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._request = session._requests
        self._task: "Optional[asyncio.Task[Any]]" = None
        self._closed = False

    def __aiter__(self) -> "EventStream":
        return self

    async def __anext__(self) -> Event:
        session = self._session
        if self._closed or not session.running:
            self._watch(None)
            raise StopAsyncIteration
        self._watch(asyncio.current_task())
        step = asyncio.get_running_loop().run_in_executor(None, session.next)
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            session.cancel()
            while not step.done():  # the thread must be out of the session
                try:
                    await asyncio.wait([step])
                except asyncio.CancelledError:
                    pass  # cancelled once more: the token is on its way
            step.exception()
            raise

    async def aclose(self) -> None:
        """Cancels the request, if it still runs; for `contextlib.aclosing`."""
        self._watch(None)
        self._closed = True
        self._cancel()

    # Between two events the stream is not awaited: only the task itself knows that it was cancelled.
    def _watch(self, task: "Optional[asyncio.Task[Any]]") -> None:
        if task is self._task:
            return
        if self._task is not None:
            self._task.remove_done_callback(self._over)
        self._task = task
        if task is not None:
            task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[Any]") -> None:
        if task.cancelled():
            self._cancel()

    def _cancel(self) -> None:
        # Another request of this session is not this stream's business.
        if self._request == self._session._requests:
            self._session.cancel()


@translated
def sessions_next(sessions: Sequence[Session]) -> Tuple[int, Optional[Event]]:
    """One event of many sessions, stepped together: (index, event), or (-1, None) at the end."""
    native = _raison.Sessions()
    for session in sessions:
        native.add(session._open())
    which, event = native.next()
    return which, (Event._of(event) if which >= 0 else None)


def step_all(sessions: Sequence[Session]) -> Iterator[Tuple[Session, Event]]:
    """All events of all sessions' requests; sessions that step together share their passes.

    A break leaves the requests running, Ctrl-C cancels them.
    """
    while True:
        try:
            which, event = sessions_next(sessions)
        except KeyboardInterrupt:
            for session in sessions:
                session.cancel()
            raise
        if event is None:
            return
        yield sessions[which], event
