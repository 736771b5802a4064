package org.raison;

/** One step of the thinking: a half-open range of positions, its text and its numbers. */
public final class Step {
  private static final int DISCARDED = 1;
  private static final int FORCED = 2;
  private static final int OPEN = 4;

  private final byte[] record; // for the library's own JSON
  private final int index;
  private final long id;
  private final long parent;
  private final Channel channel;
  private final StepMarker marker;
  private final int flags;
  private final int branch;
  private final String text;
  private final long begin;
  private final long end;
  private final long rewind;
  private final double beginSeconds;
  private final double endSeconds;
  private final float meanLogprob;
  private final float lowestLogprob;
  private final float meanEntropy;
  private final float confidence;

  Step(byte[] record) {
    this.record = record;
    RecordReader r = new RecordReader(record);
    index = r.int32();
    id = r.int64();
    parent = r.int64();
    channel = Channel.of(r.int32());
    marker = StepMarker.of(r.int32());
    flags = r.int32();
    branch = r.int32();
    text = r.text();
    begin = r.int64();
    end = r.int64();
    rewind = r.int64();
    beginSeconds = r.float64();
    endSeconds = r.float64();
    meanLogprob = r.float32();
    lowestLogprob = r.float32();
    meanEntropy = r.float32();
    confidence = r.end(r.float32());
  }

  /**
   * Its number; discarded steps keep theirs.
   *
   * @return 0 or more
   */
  public int index() {
    return index;
  }

  /**
   * Its name: never used again in this session or its forks.
   *
   * @return the id
   */
  public long id() {
    return id;
  }

  /**
   * The id of the step before it in its branch.
   *
   * @return -1: it is the first
   */
  public long parent() {
    return parent;
  }

  /**
   * The channel that it belongs to.
   *
   * @return {@link Channel#THINKING}
   */
  public Channel channel() {
    return channel;
  }

  /**
   * What it is, by its opening words.
   *
   * @return the marker
   */
  public StepMarker marker() {
    return marker;
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
   * Its text.
   *
   * @return with its line ends
   */
  public String text() {
    return text;
  }

  /**
   * Its first position.
   *
   * @return the position
   */
  public long begin() {
    return begin;
  }

  /**
   * One past its last position.
   *
   * @return the position
   */
  public long end() {
    return end;
  }

  /**
   * Where {@link Session#rewind} draws this step again.
   *
   * @return the position
   */
  public long rewind() {
    return rewind;
  }

  /**
   * When it began.
   *
   * @return seconds since the request began
   */
  public double beginSeconds() {
    return beginSeconds;
  }

  /**
   * When it ended.
   *
   * @return seconds since the request began
   */
  public double endSeconds() {
    return endSeconds;
  }

  /**
   * The mean log-probability of its tokens.
   *
   * @return nats
   */
  public float meanLogprob() {
    return meanLogprob;
  }

  /**
   * The log-probability of its least likely token.
   *
   * @return nats
   */
  public float lowestLogprob() {
    return lowestLogprob;
  }

  /**
   * The mean entropy at its tokens.
   *
   * @return nats
   */
  public float meanEntropy() {
    return meanEntropy;
  }

  /**
   * The geometric mean probability of its tokens.
   *
   * @return 0 to 1
   */
  public float confidence() {
    return confidence;
  }

  /**
   * Whether a rewind left it; it stays readable.
   *
   * @return true if it is not part of the timeline any more
   */
  public boolean discarded() {
    return (flags & DISCARDED) != 0;
  }

  /**
   * Whether it holds forced or injected tokens.
   *
   * @return true if not all of it was drawn
   */
  public boolean forced() {
    return (flags & FORCED) != 0;
  }

  /**
   * Whether its end has not come yet.
   *
   * @return true while it grows
   */
  public boolean open() {
    return (flags & OPEN) != 0;
  }

  /**
   * The step as one object of JSON: the same bytes in every language.
   *
   * @return one line without its newline
   */
  public String toJson() {
    return Utf8.decode(NativeObject.checked(() -> Crossing.StepJson(record)));
  }

  @Override
  public String toString() {
    return "step " + index + " (confidence " + confidence + "): " + text.strip();
  }
}
