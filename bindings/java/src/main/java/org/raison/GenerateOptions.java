package org.raison;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * Options of one request. Whatever is not set is what the model's file recommends, or the library's
 * default; numbers out of their range are refused by the call that takes the options.
 *
 * <pre>{@code
 * GenerateOptions options = GenerateOptions.builder().temperature(0).maxTokens(200).build();
 * }</pre>
 */
public final class GenerateOptions {
  /** An integer that is not set; a float that is not set is NaN. */
  public static final int UNSET = -1;

  private static final int TRACE_EXPERTS = 1;
  private static final int TRACE_PROMPT = 2;

  static final GenerateOptions DEFAULTS = builder().build();

  private final int maxTokens;
  private final long seed;
  private final int branch;
  private final float temperature;
  private final float topP;
  private final float minP;
  private final float repetitionPenalty;
  private final float presencePenalty;
  private final float frequencyPenalty;
  private final int topK;
  private final int penaltyLastN;
  private final SamplingOrder samplingOrder;
  private final Map<Integer, Float> logitBias;
  private final List<String> stop;
  private final ThinkingMode thinking;
  private final int thinkBudgetSoft;
  private final int thinkBudgetHard;
  private final int thinkMinimum;
  private final int answerReserve;
  private final String continuation;
  private final String templateArguments;
  private final boolean traceExperts;
  private final boolean tracePrompt;
  private final int alternatives;
  private final Release release;
  private final int waitMs;
  private final boolean excludeFirstToken;
  private final boolean continueLast;

  private GenerateOptions(Builder from) {
    maxTokens = from.maxTokens;
    seed = from.seed;
    branch = from.branch;
    temperature = from.temperature;
    topP = from.topP;
    minP = from.minP;
    repetitionPenalty = from.repetitionPenalty;
    presencePenalty = from.presencePenalty;
    frequencyPenalty = from.frequencyPenalty;
    topK = from.topK;
    penaltyLastN = from.penaltyLastN;
    samplingOrder = from.samplingOrder;
    logitBias = from.logitBias;
    stop = from.stop;
    thinking = from.thinking;
    thinkBudgetSoft = from.thinkBudgetSoft;
    thinkBudgetHard = from.thinkBudgetHard;
    thinkMinimum = from.thinkMinimum;
    answerReserve = from.answerReserve;
    continuation = from.continuation;
    templateArguments = from.templateArguments;
    traceExperts = from.traceExperts;
    tracePrompt = from.tracePrompt;
    alternatives = from.alternatives;
    release = from.release;
    waitMs = from.waitMs;
    excludeFirstToken = from.excludeFirstToken;
    continueLast = from.continueLast;
  }

  /**
   * Options with nothing set.
   *
   * @return a builder
   */
  public static Builder builder() {
    return new Builder();
  }

  /**
   * A builder that begins with these options.
   *
   * @return a builder
   */
  public Builder toBuilder() {
    Builder to = new Builder();
    to.maxTokens = maxTokens;
    to.seed = seed;
    to.branch = branch;
    to.temperature = temperature;
    to.topP = topP;
    to.minP = minP;
    to.repetitionPenalty = repetitionPenalty;
    to.presencePenalty = presencePenalty;
    to.frequencyPenalty = frequencyPenalty;
    to.topK = topK;
    to.penaltyLastN = penaltyLastN;
    to.samplingOrder = samplingOrder;
    to.logitBias = logitBias;
    to.stop = stop;
    to.thinking = thinking;
    to.thinkBudgetSoft = thinkBudgetSoft;
    to.thinkBudgetHard = thinkBudgetHard;
    to.thinkMinimum = thinkMinimum;
    to.answerReserve = answerReserve;
    to.continuation = continuation;
    to.templateArguments = templateArguments;
    to.traceExperts = traceExperts;
    to.tracePrompt = tracePrompt;
    to.alternatives = alternatives;
    to.release = release;
    to.waitMs = waitMs;
    to.excludeFirstToken = excludeFirstToken;
    to.continueLast = continueLast;
    return to;
  }

  /**
   * Most tokens of thinking and answer together. Unset: until the context is full.
   *
   * @return as in {@link Builder#maxTokens}
   */
  public int maxTokens() {
    return maxTokens;
  }

  /**
   * The seed, an unsigned number: the same seed gives the same text. Default 0.
   *
   * @return as in {@link Builder#seed}
   */
  public long seed() {
    return seed;
  }

  /**
   * The branch to draw in. Unset: 0 in a new session, the next number after a fork or rewind.
   *
   * @return as in {@link Builder#branch}
   */
  public int branch() {
    return branch;
  }

  /**
   * 0: always the most likely token. Unset: the file's, else 0.6.
   *
   * @return as in {@link Builder#temperature}
   */
  public float temperature() {
    return temperature;
  }

  /**
   * 0 to 1; 1: off. Unset: the file's, else 0.95.
   *
   * @return as in {@link Builder#topP}
   */
  public float topP() {
    return topP;
  }

  /**
   * 0 to 1; 0: off. Unset: the file's, else 0.
   *
   * @return as in {@link Builder#minP}
   */
  public float minP() {
    return minP;
  }

  /**
   * Above 0; 1: off. Unset: the file's, else 1.
   *
   * @return as in {@link Builder#repetitionPenalty}
   */
  public float repetitionPenalty() {
    return repetitionPenalty;
  }

  /**
   * 0: off. Unset: 0.
   *
   * @return as in {@link Builder#presencePenalty}
   */
  public float presencePenalty() {
    return presencePenalty;
  }

  /**
   * 0: off. Unset: 0.
   *
   * @return as in {@link Builder#frequencyPenalty}
   */
  public float frequencyPenalty() {
    return frequencyPenalty;
  }

  /**
   * 0: off. Unset: the file's, else 0.
   *
   * @return as in {@link Builder#topK}
   */
  public int topK() {
    return topK;
  }

  /**
   * Tokens that the penalties look back on, the prompt's included; 0 or unset: all.
   *
   * @return as in {@link Builder#penaltyLastN}
   */
  public int penaltyLastN() {
    return penaltyLastN;
  }

  /**
   * The order of the sampling chain.
   *
   * @return as in {@link Builder#samplingOrder}
   */
  public SamplingOrder samplingOrder() {
    return samplingOrder;
  }

  /**
   * What is added to the logits of tokens; minus infinity forbids one.
   *
   * @return as in {@link Builder#logitBias}
   */
  public Map<Integer, Float> logitBias() {
    return logitBias;
  }

  /**
   * Texts that end the request, looked for in the answer.
   *
   * @return as in {@link Builder#stop}
   */
  public List<String> stop() {
    return stop;
  }

  /**
   * Whether the model thinks first.
   *
   * @return as in {@link Builder#thinking}
   */
  public ThinkingMode thinking() {
    return thinking;
  }

  /**
   * Tokens; past it the thinking ends at the next step boundary. Unset: none.
   *
   * @return as in {@link Builder#thinkBudgetSoft}
   */
  public int thinkBudgetSoft() {
    return thinkBudgetSoft;
  }

  /**
   * Most tokens of thinking; 0: no thinking. Unset: none.
   *
   * @return as in {@link Builder#thinkBudgetHard}
   */
  public int thinkBudgetHard() {
    return thinkBudgetHard;
  }

  /**
   * Fewest tokens of thinking. Unset: none.
   *
   * @return as in {@link Builder#thinkMinimum}
   */
  public int thinkMinimum() {
    return thinkMinimum;
  }

  /**
   * Tokens that the thinking may not take. Unset: a quarter of what there is, at most 512.
   *
   * @return as in {@link Builder#answerReserve}
   */
  public int answerReserve() {
    return answerReserve;
  }

  /**
   * What goes in where the minimum replaces a closing tag. Empty: "Wait".
   *
   * @return as in {@link Builder#continuation}
   */
  public String continuation() {
    return continuation;
  }

  /**
   * A JSON object of extra variables for the chat template. Empty: none.
   *
   * @return as in {@link Builder#templateArguments}
   */
  public String templateArguments() {
    return templateArguments;
  }

  /**
   * Whether events tell which experts computed each token.
   *
   * @return as in {@link Builder#traceExperts}
   */
  public boolean traceExperts() {
    return traceExperts;
  }

  /**
   * Whether the prompt's tokens are recorded too: nothing of it is reused then.
   *
   * @return as in {@link Builder#tracePrompt}
   */
  public boolean tracePrompt() {
    return tracePrompt;
  }

  /**
   * Most likely tokens in each record, 0 to 64. Unset: 0.
   *
   * @return as in {@link Builder#alternatives}
   */
  public int alternatives() {
    return alternatives;
  }

  /**
   * When the text of the thinking is handed out.
   *
   * @return as in {@link Builder#release}
   */
  public Release release() {
    return release;
  }

  /**
   * Milliseconds until an event says that work goes on; 0: never waits. Unset: 100.
   *
   * @return as in {@link Builder#waitMs}
   */
  public int waitMs() {
    return waitMs;
  }

  /**
   * With a rewind or fork: the token that followed there is not drawn again.
   *
   * @return as in {@link Builder#excludeFirstToken}
   */
  public boolean excludeFirstToken() {
    return excludeFirstToken;
  }

  /**
   * Whether to go on from the end of the assistant's last message.
   *
   * @return as in {@link Builder#continueLast}
   */
  public boolean continueLast() {
    return continueLast;
  }

  /** The record that bindings/swig/record.h reads. */
  byte[] record() {
    RecordWriter w = new RecordWriter();
    w.int32(maxTokens).int64(seed).int32(branch);
    w.float32(temperature).float32(topP).float32(minP);
    w.float32(repetitionPenalty).float32(presencePenalty).float32(frequencyPenalty);
    w.int32(topK).int32(penaltyLastN).int32(samplingOrder.ordinal());
    w.int32(logitBias.size());
    logitBias.keySet().forEach(w::int32);
    w.int32(logitBias.size());
    logitBias.values().forEach(w::float32);
    List<byte[]> stops = new ArrayList<>();
    stop.forEach(text -> stops.add(Utf8.encode("a stop text", text)));
    w.texts(stops).int32(thinking.ordinal());
    w.int32(thinkBudgetSoft).int32(thinkBudgetHard).int32(thinkMinimum).int32(answerReserve);
    w.bytes(Utf8.encode("continuation", continuation));
    w.bytes(Utf8.encode("templateArguments", templateArguments));
    w.int32((traceExperts ? TRACE_EXPERTS : 0) | (tracePrompt ? TRACE_PROMPT : 0));
    w.int32(alternatives).int32(release.ordinal()).int32(waitMs);
    return w.bool(excludeFirstToken).bool(continueLast).take();
  }

  /** What a request really uses. */
  static GenerateOptions of(byte[] record) {
    RecordReader r = new RecordReader(record);
    Builder to = builder();
    to.maxTokens(r.int32()).seed(r.int64()).branch(r.int32());
    to.temperature(r.float32()).topP(r.float32()).minP(r.float32());
    to.repetitionPenalty(r.float32()).presencePenalty(r.float32()).frequencyPenalty(r.float32());
    to.topK(r.int32()).penaltyLastN(r.int32()).samplingOrder(SamplingOrder.of(r.int32()));
    int[] tokens = r.int32s();
    float[] biases = r.float32s();
    Map<Integer, Float> logitBias = new LinkedHashMap<>();
    for (int i = 0; i < tokens.length; ++i) {
      logitBias.put(tokens[i], biases[i]);
    }
    to.logitBias(logitBias).stop(r.texts()).thinking(ThinkingMode.of(r.int32()));
    to.thinkBudgetSoft(r.int32()).thinkBudgetHard(r.int32()).thinkMinimum(r.int32());
    to.answerReserve(r.int32()).continuation(r.text()).templateArguments(r.text());
    int trace = r.int32();
    to.traceExperts((trace & TRACE_EXPERTS) != 0).tracePrompt((trace & TRACE_PROMPT) != 0);
    to.alternatives(r.int32()).release(Release.of(r.int32())).waitMs(r.int32());
    return r.end(to.excludeFirstToken(r.bool()).continueLast(r.bool()).build());
  }

  /** Collects options. Not for several threads at once. */
  public static final class Builder {
    private int maxTokens = UNSET;
    private long seed;
    private int branch = UNSET;
    private float temperature = Float.NaN;
    private float topP = Float.NaN;
    private float minP = Float.NaN;
    private float repetitionPenalty = Float.NaN;
    private float presencePenalty = Float.NaN;
    private float frequencyPenalty = Float.NaN;
    private int topK = UNSET;
    private int penaltyLastN = UNSET;
    private SamplingOrder samplingOrder = SamplingOrder.HUGGING_FACE;
    private Map<Integer, Float> logitBias = Map.of();
    private List<String> stop = List.of();
    private ThinkingMode thinking = ThinkingMode.AUTO;
    private int thinkBudgetSoft = UNSET;
    private int thinkBudgetHard = UNSET;
    private int thinkMinimum = UNSET;
    private int answerReserve = UNSET;
    private String continuation = "";
    private String templateArguments = "";
    private boolean traceExperts;
    private boolean tracePrompt;
    private int alternatives = UNSET;
    private Release release = Release.TOKEN;
    private int waitMs = UNSET;
    private boolean excludeFirstToken;
    private boolean continueLast;

    private Builder() {}

    /**
     * Most tokens of thinking and answer together. Unset: until the context is full.
     *
     * @param maxTokens the value
     * @return this
     */
    public Builder maxTokens(int maxTokens) {
      this.maxTokens = maxTokens;
      return this;
    }

    /**
     * The seed, an unsigned number: the same seed gives the same text. Default 0.
     *
     * @param seed the value
     * @return this
     */
    public Builder seed(long seed) {
      this.seed = seed;
      return this;
    }

    /**
     * The branch to draw in. Unset: 0 in a new session, the next number after a fork or rewind.
     *
     * @param branch the value
     * @return this
     */
    public Builder branch(int branch) {
      this.branch = branch;
      return this;
    }

    /**
     * 0: always the most likely token. Unset: the file's, else 0.6.
     *
     * @param temperature the value
     * @return this
     */
    public Builder temperature(float temperature) {
      this.temperature = temperature;
      return this;
    }

    /**
     * 0 to 1; 1: off. Unset: the file's, else 0.95.
     *
     * @param topP the value
     * @return this
     */
    public Builder topP(float topP) {
      this.topP = topP;
      return this;
    }

    /**
     * 0 to 1; 0: off. Unset: the file's, else 0.
     *
     * @param minP the value
     * @return this
     */
    public Builder minP(float minP) {
      this.minP = minP;
      return this;
    }

    /**
     * Above 0; 1: off. Unset: the file's, else 1.
     *
     * @param repetitionPenalty the value
     * @return this
     */
    public Builder repetitionPenalty(float repetitionPenalty) {
      this.repetitionPenalty = repetitionPenalty;
      return this;
    }

    /**
     * 0: off. Unset: 0.
     *
     * @param presencePenalty the value
     * @return this
     */
    public Builder presencePenalty(float presencePenalty) {
      this.presencePenalty = presencePenalty;
      return this;
    }

    /**
     * 0: off. Unset: 0.
     *
     * @param frequencyPenalty the value
     * @return this
     */
    public Builder frequencyPenalty(float frequencyPenalty) {
      this.frequencyPenalty = frequencyPenalty;
      return this;
    }

    /**
     * 0: off. Unset: the file's, else 0.
     *
     * @param topK the value
     * @return this
     */
    public Builder topK(int topK) {
      this.topK = topK;
      return this;
    }

    /**
     * Tokens that the penalties look back on, the prompt's included; 0 or unset: all.
     *
     * @param penaltyLastN the value
     * @return this
     */
    public Builder penaltyLastN(int penaltyLastN) {
      this.penaltyLastN = penaltyLastN;
      return this;
    }

    /**
     * The order of the sampling chain.
     *
     * @param samplingOrder the value
     * @return this
     */
    public Builder samplingOrder(SamplingOrder samplingOrder) {
      this.samplingOrder = Objects.requireNonNull(samplingOrder, "samplingOrder");
      return this;
    }

    /**
     * What is added to the logits of tokens; minus infinity forbids one.
     *
     * @param logitBias the value
     * @return this
     */
    public Builder logitBias(Map<Integer, Float> logitBias) {
      this.logitBias = Map.copyOf(logitBias);
      return this;
    }

    /**
     * Texts that end the request, looked for in the answer.
     *
     * @param stop the value
     * @return this
     */
    public Builder stop(List<String> stop) {
      this.stop = List.copyOf(stop);
      return this;
    }

    /**
     * Texts that end the request, looked for in the answer.
     *
     * @param stop the texts
     * @return this
     */
    public Builder stop(String... stop) {
      return stop(List.of(stop));
    }

    /**
     * Whether the model thinks first.
     *
     * @param thinking the value
     * @return this
     */
    public Builder thinking(ThinkingMode thinking) {
      this.thinking = Objects.requireNonNull(thinking, "thinking");
      return this;
    }

    /**
     * Tokens; past it the thinking ends at the next step boundary. Unset: none.
     *
     * @param thinkBudgetSoft the value
     * @return this
     */
    public Builder thinkBudgetSoft(int thinkBudgetSoft) {
      this.thinkBudgetSoft = thinkBudgetSoft;
      return this;
    }

    /**
     * Most tokens of thinking; 0: no thinking. Unset: none.
     *
     * @param thinkBudgetHard the value
     * @return this
     */
    public Builder thinkBudgetHard(int thinkBudgetHard) {
      this.thinkBudgetHard = thinkBudgetHard;
      return this;
    }

    /**
     * Fewest tokens of thinking. Unset: none.
     *
     * @param thinkMinimum the value
     * @return this
     */
    public Builder thinkMinimum(int thinkMinimum) {
      this.thinkMinimum = thinkMinimum;
      return this;
    }

    /**
     * Tokens that the thinking may not take. Unset: a quarter of what there is, at most 512.
     *
     * @param answerReserve the value
     * @return this
     */
    public Builder answerReserve(int answerReserve) {
      this.answerReserve = answerReserve;
      return this;
    }

    /**
     * What goes in where the minimum replaces a closing tag. Empty: "Wait".
     *
     * @param continuation the value
     * @return this
     */
    public Builder continuation(String continuation) {
      this.continuation = Objects.requireNonNull(continuation, "continuation");
      return this;
    }

    /**
     * A JSON object of extra variables for the chat template. Empty: none.
     *
     * @param templateArguments the value
     * @return this
     */
    public Builder templateArguments(String templateArguments) {
      this.templateArguments = Objects.requireNonNull(templateArguments, "templateArguments");
      return this;
    }

    /**
     * Whether events tell which experts computed each token.
     *
     * @param traceExperts the value
     * @return this
     */
    public Builder traceExperts(boolean traceExperts) {
      this.traceExperts = traceExperts;
      return this;
    }

    /**
     * Whether the prompt's tokens are recorded too: nothing of it is reused then.
     *
     * @param tracePrompt the value
     * @return this
     */
    public Builder tracePrompt(boolean tracePrompt) {
      this.tracePrompt = tracePrompt;
      return this;
    }

    /**
     * Most likely tokens in each record, 0 to 64. Unset: 0.
     *
     * @param alternatives the value
     * @return this
     */
    public Builder alternatives(int alternatives) {
      this.alternatives = alternatives;
      return this;
    }

    /**
     * When the text of the thinking is handed out.
     *
     * @param release the value
     * @return this
     */
    public Builder release(Release release) {
      this.release = Objects.requireNonNull(release, "release");
      return this;
    }

    /**
     * Milliseconds until an event says that work goes on; 0: never waits. Unset: 100.
     *
     * @param waitMs the value
     * @return this
     */
    public Builder waitMs(int waitMs) {
      this.waitMs = waitMs;
      return this;
    }

    /**
     * With a rewind or fork: the token that followed there is not drawn again.
     *
     * @param excludeFirstToken the value
     * @return this
     */
    public Builder excludeFirstToken(boolean excludeFirstToken) {
      this.excludeFirstToken = excludeFirstToken;
      return this;
    }

    /**
     * Whether to go on from the end of the assistant's last message.
     *
     * @param continueLast the value
     * @return this
     */
    public Builder continueLast(boolean continueLast) {
      this.continueLast = continueLast;
      return this;
    }

    /**
     * The options as they are now.
     *
     * @return immutable options
     */
    public GenerateOptions build() {
      return new GenerateOptions(this);
    }
  }
}
