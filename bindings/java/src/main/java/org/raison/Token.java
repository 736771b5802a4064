package org.raison;

import java.util.List;

/** The record of one token of a session. */
public final class Token {
  private final int token;
  private final long position;
  private final long microseconds;
  private final byte[] bytes;
  private final int step;
  private final Channel channel;
  private final TokenSource source;
  private final int rank;
  private final float logprob;
  private final float entropy;
  private final float sampledLogprob;
  private final int branch;
  private final List<Alternative> alternatives;
  private final List<ExpertUse> experts;

  Token(byte[] record) {
    RecordReader r = new RecordReader(record);
    token = r.int32();
    position = r.int64();
    microseconds = r.int64();
    bytes = r.bytes();
    step = r.int32();
    channel = Channel.of(r.int32());
    source = TokenSource.of(r.int32());
    rank = r.int32();
    logprob = r.float32();
    entropy = r.float32();
    sampledLogprob = r.float32();
    branch = r.int32();
    alternatives = r.alternatives();
    experts = r.end(r.experts());
  }

  /**
   * Its id in the model's vocabulary.
   *
   * @return the id
   */
  public int token() {
    return token;
  }

  /**
   * Its place in the session.
   *
   * @return the position
   */
  public long position() {
    return position;
  }

  /**
   * When it was made.
   *
   * @return microseconds since its request began
   */
  public long microseconds() {
    return microseconds;
  }

  /**
   * The step that it belongs to.
   *
   * @return -1: outside the thinking
   */
  public int step() {
    return step;
  }

  /**
   * Where it belongs.
   *
   * @return the channel
   */
  public Channel channel() {
    return channel;
  }

  /**
   * Who chose it.
   *
   * @return the source
   */
  public TokenSource source() {
    return source;
  }

  /**
   * Its place among the model's own choices.
   *
   * @return 0: the most likely; -1: not computed
   */
  public int rank() {
    return rank;
  }

  /**
   * Its log-probability over the whole vocabulary.
   *
   * @return nats; NaN: not computed
   */
  public float logprob() {
    return logprob;
  }

  /**
   * The entropy of that distribution.
   *
   * @return nats; NaN: not computed
   */
  public float entropy() {
    return entropy;
  }

  /**
   * The log-probability after the whole sampling chain.
   *
   * @return nats; NaN: not computed
   */
  public float sampledLogprob() {
    return sampledLogprob;
  }

  /**
   * The branch that it was drawn in.
   *
   * @return the branch's number
   */
  public int branch() {
    return branch;
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
   * Who computed it, if it was asked for.
   *
   * @return layer by layer
   */
  public List<ExpertUse> experts() {
    return experts;
  }

  /**
   * The token's own bytes, perhaps a part of a code point.
   *
   * @return a copy
   */
  public byte[] bytes() {
    return bytes.clone();
  }

  /**
   * The token's text; a part of a code point shows as U+FFFD.
   *
   * @return its {@link #bytes} as text
   */
  public String text() {
    return Utf8.decode(bytes);
  }

  @Override
  public String toString() {
    return "token " + token + " at " + position + ": " + text();
  }
}
