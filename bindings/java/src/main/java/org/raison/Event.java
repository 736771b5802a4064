package org.raison;

import java.util.List;

/**
 * One event of a request. Which members count depends on {@link #kind}; the others are empty, 0, -1
 * (step, token, position, rank) or NaN (the floats). Values that a later library adds are UNKNOWN:
 * ignore them.
 */
public final class Event {
  private final byte[] record; // for the library's own JSON
  private final EventKind kind;
  private final int reason;
  private final Status status;
  private final long position;
  private final long microseconds;
  private final String text;
  private final int step;
  private final Channel channel;
  private final int token;
  private final TokenSource source;
  private final int rank;
  private final float logprob;
  private final float entropy;
  private final float sampledLogprob;
  private final List<Alternative> alternatives;
  private final List<ExpertUse> experts;
  private final long done;
  private final long total;
  private final long cached;

  Event(byte[] record) {
    this.record = record;
    RecordReader r = new RecordReader(record);
    kind = EventKind.of(r.int32());
    reason = r.int32();
    status = Status.of(r.int32());
    position = r.int64();
    microseconds = r.int64();
    text = r.text();
    step = r.int32();
    channel = Channel.of(r.int32());
    token = r.int32();
    source = TokenSource.of(r.int32());
    rank = r.int32();
    logprob = r.float32();
    entropy = r.float32();
    sampledLogprob = r.float32();
    alternatives = r.alternatives();
    experts = r.experts();
    done = r.int64();
    total = r.int64();
    cached = r.end(r.int64());
  }

  /**
   * What it tells.
   *
   * @return the kind
   */
  public EventKind kind() {
    return kind;
  }

  /**
   * What failed, where the request is over with {@link DoneReason#FAILED}.
   *
   * @return else {@link Status#OK}
   */
  public Status status() {
    return status;
  }

  /**
   * The token's place in the session; for other kinds the session's end.
   *
   * @return the position
   */
  public long position() {
    return position;
  }

  /**
   * When it happened.
   *
   * @return microseconds since the request began
   */
  public long microseconds() {
    return microseconds;
  }

  /**
   * TOKEN: the text that this token completes. STEP_END: the step. NOTICE and a failed DONE: a
   * sentence. Other DONE: the final answer in the model's own form.
   *
   * @return perhaps empty, never null
   */
  public String text() {
    return text;
  }

  /**
   * TOKEN and STEP: the index of the step. DONE: the first step that states the final answer.
   *
   * @return -1: none
   */
  public int step() {
    return step;
  }

  /**
   * Where the token belongs.
   *
   * @return the channel
   */
  public Channel channel() {
    return channel;
  }

  /**
   * TOKEN: its id in the model's vocabulary.
   *
   * @return -1 for other kinds
   */
  public int token() {
    return token;
  }

  /**
   * Who chose the token.
   *
   * @return the source
   */
  public TokenSource source() {
    return source;
  }

  /**
   * The token's place among the model's own choices.
   *
   * @return 0: the most likely token
   */
  public int rank() {
    return rank;
  }

  /**
   * The token's log-probability over the whole vocabulary, before penalties and filters.
   *
   * @return nats
   */
  public float logprob() {
    return logprob;
  }

  /**
   * The entropy of that distribution.
   *
   * @return nats
   */
  public float entropy() {
    return entropy;
  }

  /**
   * The log-probability after the whole sampling chain.
   *
   * @return nats; 0 for a token that nobody drew
   */
  public float sampledLogprob() {
    return sampledLogprob;
  }

  /**
   * The most likely tokens, if they were asked for.
   *
   * @return best first
   */
  public List<Alternative> alternatives() {
    return alternatives;
  }

  /**
   * Who computed the token, if it was asked for.
   *
   * @return layer by layer
   */
  public List<ExpertUse> experts() {
    return experts;
  }

  /**
   * PROGRESS: prompt tokens processed, the cached ones included.
   *
   * @return the count
   */
  public long done() {
    return done;
  }

  /**
   * PROGRESS: prompt tokens.
   *
   * @return the count
   */
  public long total() {
    return total;
  }

  /**
   * PROGRESS: prompt tokens that an earlier request had processed.
   *
   * @return the count
   */
  public long cached() {
    return cached;
  }

  /**
   * Why the thinking ended.
   *
   * @return {@link ThinkEndReason#NONE} for other kinds than {@link EventKind#THINK_END}
   */
  public ThinkEndReason thinkEndReason() {
    return kind == EventKind.THINK_END ? ThinkEndReason.of(reason) : ThinkEndReason.NONE;
  }

  /**
   * Why the request is over.
   *
   * @return {@link DoneReason#NONE} for other kinds than {@link EventKind#DONE}
   */
  public DoneReason doneReason() {
    return kind == EventKind.DONE ? DoneReason.of(reason) : DoneReason.NONE;
  }

  /**
   * What the notice is about.
   *
   * @return {@link NoticeReason#NONE} for other kinds than {@link EventKind#NOTICE}
   */
  public NoticeReason noticeReason() {
    return kind == EventKind.NOTICE ? NoticeReason.of(reason) : NoticeReason.NONE;
  }

  /**
   * The event as one object of JSON: the same bytes in every language.
   *
   * @return one line without its newline; its keys are those of docs/trace.schema.json
   */
  public String toJson() {
    return Utf8.decode(NativeObject.checked(() -> Crossing.EventJson(record)));
  }

  @Override
  public String toString() {
    return kind + " at " + position + ": " + text;
  }
}
