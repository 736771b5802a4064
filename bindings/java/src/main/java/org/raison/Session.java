package org.raison;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * One timeline of a model, made by {@link Model#session()}: its tokens, its steps, its request.
 *
 * <p>A session is used by one thread at a time; only {@link #cancel} and {@link #close} may come
 * from another, and two threads at once are a {@link StateException} with {@link Status#BUSY}.
 * Closing it while another thread is inside cancels that thread's request, and frees when the
 * thread is out. Interrupting the thread that reads events cancels the request too: the read throws
 * {@link CancelledException}, the interrupt status stays set, the session stays usable.
 *
 * <p>As an {@link Iterable} it gives the rest of the running request's events, DONE included.
 * Leaving the loop early leaves the request running.
 */
public final class Session implements Iterable<Event>, AutoCloseable {
  /** A call that waits no longer is not watched for interrupts: they are seen between calls. */
  private static final int SHORT_WAIT_MS = 100;

  private final NativeObject<NativeSession> object;
  private final LibraryLog log;
  private volatile int waitMs; // of the running request
  private volatile int requests; // made so far: which one a stream belongs to

  /** Takes the proxy. */
  Session(NativeSession proxy, LibraryLog log, int waitMs) {
    this.log = log.use();
    this.waitMs = waitMs;
    LibraryLog held = log; // not this: the cleaner must not hold it
    object =
        new NativeObject<>(
            this,
            "session",
            proxy,
            NativeSession::Cancel,
            session -> {
              session.delete();
              held.leave();
            });
  }

  // ---- requests

  /**
   * Asks one question.
   *
   * @param text the question
   * @return this, for a loop over its events
   */
  public Session ask(String text) {
    return ask(text, GenerateOptions.DEFAULTS);
  }

  /**
   * Asks one question.
   *
   * @param text the question
   * @param options of the request
   * @return this, for a loop over its events
   */
  public Session ask(String text, GenerateOptions options) {
    byte[] bytes = Utf8.encode("text", text);
    return begin(options, (session, record) -> session.Ask(bytes, record));
  }

  /**
   * Starts a request from the whole conversation; what the session holds of it already is not
   * computed again.
   *
   * @param messages the conversation, for example a list
   * @return this, for a loop over its events
   */
  public Session prompt(Iterable<Message> messages) {
    return prompt(messages, GenerateOptions.DEFAULTS);
  }

  /**
   * Starts a request from the whole conversation; what the session holds of it already is not
   * computed again.
   *
   * @param messages the conversation, for example a list
   * @param options of the request
   * @return this, for a loop over its events
   */
  public Session prompt(Iterable<Message> messages, GenerateOptions options) {
    NativeMessages list = NativeObject.checked(() -> Message.toNative(messages));
    try {
      return begin(options, (session, record) -> session.Prompt(list, record));
    } finally {
      list.delete();
    }
  }

  /**
   * Starts a request from raw text, without a template, after the model's begin-of-text token.
   *
   * @param text the text
   * @return this, for a loop over its events
   */
  public Session promptText(String text) {
    return promptText(text, GenerateOptions.DEFAULTS, TokenizeFlag.BOS);
  }

  /**
   * Starts a request from raw text, without a template.
   *
   * @param text the text
   * @param options of the request
   * @param flags how the text becomes tokens
   * @return this, for a loop over its events
   */
  public Session promptText(String text, GenerateOptions options, TokenizeFlag... flags) {
    byte[] bytes = Utf8.encode("text", text);
    int bits = TokenizeFlag.bits(flags);
    return begin(options, (session, record) -> session.PromptText(bytes, bits, record));
  }

  private interface Begin {
    void call(NativeSession session, byte[] options);
  }

  private Session begin(GenerateOptions options, Begin call) {
    byte[] record = options.record();
    run(session -> call.call(session, record));
    waitMs = options.waitMs();
    ++requests;
    log.handOver();
    return this;
  }

  /**
   * Waits for the next event: a PROGRESS event when nothing came within the options' {@code
   * waitMs}. A request that fails throws here.
   *
   * @return the event
   */
  public Event next() {
    Interrupts.check(this::cancel);
    byte[] record =
        waitMs > SHORT_WAIT_MS
            ? Interrupts.watched(() -> call(NativeSession::Next), this::cancel)
            : call(NativeSession::Next);
    log.handOver();
    return new Event(record);
  }

  /**
   * The rest of the request's events, DONE included; after a rewind on DONE it goes on.
   *
   * @return an iterator that computes as it is read
   */
  @Override
  public Iterator<Event> iterator() {
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return running();
      }

      @Override
      public Event next() {
        if (!hasNext()) {
          throw new NoSuchElementException("the request has no events left");
        }
        return Session.this.next();
      }
    };
  }

  /**
   * The rest of the request's events as a sequential stream that computes as it is read. Closing
   * the stream cancels the request if it still runs.
   *
   * @return a stream
   */
  public Stream<Event> stream() {
    int request = requests;
    int traits = Spliterator.ORDERED | Spliterator.NONNULL | Spliterator.IMMUTABLE;
    return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), traits), false)
        .onClose(() -> cancelRequest(request));
  }

  /**
   * The rest of the request's events for one reactive subscriber. Each is computed when it was
   * requested, by a daemon thread of this package; cancelling the subscription cancels the request.
   *
   * @return a publisher for one subscriber
   */
  public Flow.Publisher<Event> publisher() {
    return publisher(EventPublisher.THREADS);
  }

  /**
   * The rest of the request's events for one reactive subscriber, computed by another executor.
   *
   * @param executor runs tasks that wait for the model
   * @return a publisher for one subscriber
   */
  public Flow.Publisher<Event> publisher(Executor executor) {
    return new EventPublisher(this, Objects.requireNonNull(executor, "executor"));
  }

  /**
   * Runs the request to its end.
   *
   * @return all that was answered
   */
  public String run() {
    return run((session, event) -> Verdict.CONTINUE);
  }

  /**
   * Runs the request to its end, on this thread.
   *
   * @param listener is called with each event, and steers
   * @return all that was answered
   */
  public String run(TraceListener listener) {
    Objects.requireNonNull(listener, "listener");
    if (!running()) {
      next(); // says so
    }
    boolean over = false;
    try {
      for (Event event : this) {
        Verdict verdict = listener.onEvent(this, event);
        if (verdict == Verdict.STOP && running()) {
          stop();
        } else if (verdict == Verdict.END_THINKING && running()) {
          endThinkingIfThinking();
        }
      }
      over = true;
    } finally {
      if (!over) {
        cancel(); // the listener's exception, or an interrupt: nobody wants the request any more
      }
    }
    return answerText();
  }

  private void endThinkingIfThinking() {
    try {
      endThinking();
    } catch (StateException error) {
      if (error.status() != Status.STATE) {
        throw error;
      } // else outside the thinking: go on
    }
  }

  // ---- steering

  /** Closes the thinking; the model answers. */
  public void endThinking() {
    run(NativeSession::EndThinking);
  }

  /** Ends the request: the next event but NOTICE is DONE. */
  public void stop() {
    run(NativeSession::Stop);
  }

  /**
   * Puts text into the current channel, as if the model had written it.
   *
   * @param text the text
   */
  public void inject(String text) {
    byte[] bytes = Utf8.encode("text", text);
    run(session -> session.Inject(bytes));
  }

  /**
   * Goes back, and on from there with the next branch number.
   *
   * @param position from the prompt's end to {@link #position()}
   */
  public void rewind(long position) {
    run(session -> session.Rewind(position));
  }

  /**
   * Goes back, and on from there with other options.
   *
   * @param position from the prompt's end to {@link #position()}
   * @param options of the rest of the request
   */
  public void rewind(long position, GenerateOptions options) {
    byte[] record = options.record();
    run(session -> session.Rewind(position, record));
    waitMs = options.waitMs();
  }

  /**
   * A second session with the same tokens, steps and request, which shares their memory until one
   * of the two writes. It draws with the next branch number.
   *
   * @return the fork, to be closed on its own
   */
  public Session fork() {
    return new Session(call(NativeSession::Fork), log, waitMs);
  }

  /**
   * A second session with the same tokens, steps and request, and other options.
   *
   * @param options of the rest of the fork's request
   * @return the fork, to be closed on its own
   */
  public Session fork(GenerateOptions options) {
    byte[] record = options.record();
    return new Session(call(session -> session.Fork(record)), log, options.waitMs());
  }

  /**
   * Ends the running request, from any thread; it ends with DONE, and the session stays usable.
   * Nothing happens without a running request, or on a closed session.
   */
  public void cancel() {
    object.runIfOpen(this, NativeSession::Cancel);
  }

  /** Another request of this session is not the stream's business. */
  void cancelRequest(int request) {
    if (request == requests) {
      cancel();
    }
  }

  int request() {
    return requests;
  }

  // ---- what there is

  /**
   * Whether the request has events left.
   *
   * @return false before the first request and after DONE
   */
  public boolean running() {
    return call(NativeSession::Running);
  }

  /**
   * How many tokens the session holds.
   *
   * @return the position of the next one
   */
  public long position() {
    return call(NativeSession::Position);
  }

  /**
   * How many steps the request has, discarded ones included.
   *
   * @return the count
   */
  public int stepCount() {
    return Math.toIntExact(call(NativeSession::StepCount));
  }

  /**
   * One step.
   *
   * @param index below {@link #stepCount}
   * @return a copy
   */
  public Step step(int index) {
    int step = Numbers.natural("index", index);
    return new Step(call(session -> session.Step(step)));
  }

  /**
   * The steps of the request, discarded ones included.
   *
   * @return copies, in order of time
   */
  public List<Step> steps() {
    int count = stepCount();
    List<Step> steps = new ArrayList<>(count);
    for (int i = 0; i < count; ++i) {
      steps.add(step(i));
    }
    return List.copyOf(steps);
  }

  /**
   * How often each expert worked on a step; needs {@code traceExperts}.
   *
   * @param index of the step
   * @return (layers, experts) row by row
   */
  public int[] stepExperts(int index) {
    int step = Numbers.natural("index", index);
    return call(session -> session.StepExperts(step));
  }

  /**
   * The record of one token, of the prompt too.
   *
   * @param position below {@link #position()}
   * @return a copy
   */
  public Token token(long position) {
    return new Token(call(session -> session.Token(position)));
  }

  /**
   * The records of all tokens, the prompt's included.
   *
   * @return copies
   */
  public List<Token> tokens() {
    long count = position();
    List<Token> tokens = new ArrayList<>();
    for (long i = 0; i < count; ++i) {
      tokens.add(token(i));
    }
    return List.copyOf(tokens);
  }

  /**
   * All that was thought, so far.
   *
   * @return the text
   */
  public String thinking() {
    return text(Channel.THINKING);
  }

  /**
   * All that was answered, so far.
   *
   * @return the text
   */
  public String answerText() {
    return text(Channel.ANSWER);
  }

  private String text(Channel channel) {
    return Utf8.decode(call(session -> session.Text(channel.ordinal())));
  }

  /**
   * The final answer; before DONE what can be known so far.
   *
   * @return its text in the model's own form, and the step that states it
   */
  public Answer answer() {
    return Answer.of(call(NativeSession::Answer));
  }

  /**
   * The bill of the running or latest request.
   *
   * @return a copy
   */
  public Usage usage() {
    return Usage.of(call(NativeSession::Usage));
  }

  /**
   * The options that the request really uses.
   *
   * @return options in which nothing is unset; -1 stands for "none"
   */
  public GenerateOptions options() {
    return GenerateOptions.of(call(NativeSession::EffectiveOptions));
  }

  /**
   * The raw logits after the newest token.
   *
   * @return one for each entry of the vocabulary
   */
  public float[] logits() {
    return call(NativeSession::Logits);
  }

  /**
   * Ends a running request and gives the session's memory back; from any thread, and as often as
   * you like.
   */
  @Override
  public void close() {
    object.close();
  }

  // ---- inside

  NativeSession enter() {
    return object.enter();
  }

  void exit() {
    object.exit();
  }

  LibraryLog log() {
    return log;
  }

  int waitMs() {
    return waitMs;
  }

  private <R> R call(Function<NativeSession, R> function) {
    return object.call(this, function);
  }

  private void run(Consumer<NativeSession> function) {
    object.run(this, function);
  }
}
