package org.raison;

import java.util.Objects;

/** Options of loading a model. Whatever is not set is the library's default. */
public final class ModelOptions {
  /** An integer that is not set. */
  public static final int UNSET = -1;

  static final ModelOptions DEFAULTS = builder().build();

  private final String device;
  private final String experts;
  private final String backendPath;
  private final String chatTemplate;
  private final int threads;
  private final int contextLength;
  private final long kvBytes;
  private final KvType kvType;
  private final LoadMode load;
  private final boolean repack;
  private final boolean exact;
  private final LoadListener progress;

  private ModelOptions(Builder from) {
    device = from.device;
    experts = from.experts;
    backendPath = from.backendPath;
    chatTemplate = from.chatTemplate;
    threads = from.threads;
    contextLength = from.contextLength;
    kvBytes = from.kvBytes;
    kvType = from.kvType;
    load = from.load;
    repack = from.repack;
    exact = from.exact;
    progress = from.progress;
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
   * One device, "cpu", or a split, "cuda:0=20,cpu". Empty: the best that fits.
   *
   * @return as in {@link Builder#device}
   */
  public String device() {
    return device;
  }

  /**
   * The device of all routed experts, or a split of each layer's: "cuda:0=96,cpu", "own=96,cpu" (the
   * first 96 with their layer). Empty: all with their layers.
   *
   * @return as in {@link Builder#experts}
   */
  public String experts() {
    return experts;
  }

  /**
   * A folder to look for plug-ins in first, or one plug-in. Empty: none.
   *
   * @return as in {@link Builder#backendPath}
   */
  public String backendPath() {
    return backendPath;
  }

  /**
   * A Jinja template instead of the file's. Empty: the file's.
   *
   * @return as in {@link Builder#chatTemplate}
   */
  public String chatTemplate() {
    return chatTemplate;
  }

  /**
   * Threads. Unset: as many as the process may use.
   *
   * @return as in {@link Builder#threads}
   */
  public int threads() {
    return threads;
  }

  /**
   * Tokens of sessions that name no number. 0: the model's own, at most 32,768.
   *
   * @return as in {@link Builder#contextLength}
   */
  public int contextLength() {
    return contextLength;
  }

  /**
   * Limit of all sessions' caches together, taken as they grow. 0: half of what the weights leave
   * free, but one whole context where there is room for it, and at most 64 sessions' whole
   * contexts.
   *
   * @return as in {@link Builder#kvBytes}
   */
  public long kvBytes() {
    return kvBytes;
  }

  /**
   * The caches' element type.
   *
   * @return as in {@link Builder#kvType}
   */
  public KvType kvType() {
    return kvType;
  }

  /**
   * How the file is read.
   *
   * @return as in {@link Builder#load}
   */
  public LoadMode load() {
    return load;
  }

  /**
   * Whether weights are repacked where that is faster. Default true.
   *
   * @return as in {@link Builder#repack}
   */
  public boolean repack() {
    return repack;
  }

  /**
   * Whether reused prefixes and other chunkings are bit-identical too, at some cost.
   *
   * @return as in {@link Builder#exact}
   */
  public boolean exact() {
    return exact;
  }

  /**
   * Who is told about the loading, and may end it. Null: nobody.
   *
   * @return as in {@link Builder#progress}
   */
  public LoadListener progress() {
    return progress;
  }

  /** The record that bindings/swig/record.h reads. */
  byte[] record() {
    RecordWriter w = new RecordWriter();
    w.bytes(Utf8.encode("device", device)).bytes(Utf8.encode("experts", experts));
    w.bytes(Utf8.encode("backendPath", backendPath));
    w.bytes(Utf8.encode("chatTemplate", chatTemplate));
    w.int32(threads).int32(Numbers.natural("contextLength", contextLength));
    w.int64(Numbers.natural("kvBytes", kvBytes)).int32(kvType.ordinal());
    return w.int32(load.ordinal()).bool(repack).bool(exact).take();
  }

  /** Collects options. Not for several threads at once. */
  public static final class Builder {
    private String device = "";
    private String experts = "";
    private String backendPath = "";
    private String chatTemplate = "";
    private int threads = UNSET;
    private int contextLength;
    private long kvBytes;
    private KvType kvType = KvType.DEFAULT;
    private LoadMode load = LoadMode.MAP;
    private boolean repack = true;
    private boolean exact;
    private LoadListener progress;

    private Builder() {}

    /**
     * One device, "cpu", or a split, "cuda:0=20,cpu". Empty: the best that fits.
     *
     * @param device the value
     * @return this
     */
    public Builder device(String device) {
      this.device = Objects.requireNonNull(device, "device");
      return this;
    }

    /**
     * The device of all routed experts, or a split of each layer's: "cuda:0=96,cpu", "own=96,cpu" (the
   * first 96 with their layer). Empty: all with their layers.
     *
     * @param experts the value
     * @return this
     */
    public Builder experts(String experts) {
      this.experts = Objects.requireNonNull(experts, "experts");
      return this;
    }

    /**
     * A folder to look for plug-ins in first, or one plug-in. Empty: none.
     *
     * @param backendPath the value
     * @return this
     */
    public Builder backendPath(String backendPath) {
      this.backendPath = Objects.requireNonNull(backendPath, "backendPath");
      return this;
    }

    /**
     * A Jinja template instead of the file's. Empty: the file's.
     *
     * @param chatTemplate the value
     * @return this
     */
    public Builder chatTemplate(String chatTemplate) {
      this.chatTemplate = Objects.requireNonNull(chatTemplate, "chatTemplate");
      return this;
    }

    /**
     * Threads. Unset: as many as the process may use.
     *
     * @param threads the value
     * @return this
     */
    public Builder threads(int threads) {
      this.threads = threads;
      return this;
    }

    /**
     * Tokens of sessions that name no number. 0: the model's own, at most 32,768.
     *
     * @param contextLength the value
     * @return this
     */
    public Builder contextLength(int contextLength) {
      this.contextLength = contextLength;
      return this;
    }

    /**
     * Limit of all sessions' caches together, taken as they grow. 0: half of what the weights leave
     * free, but one whole context where there is room for it, and at most 64 sessions' whole
     * contexts.
     *
     * @param kvBytes the value
     * @return this
     */
    public Builder kvBytes(long kvBytes) {
      this.kvBytes = kvBytes;
      return this;
    }

    /**
     * The caches' element type.
     *
     * @param kvType the value
     * @return this
     */
    public Builder kvType(KvType kvType) {
      this.kvType = Objects.requireNonNull(kvType, "kvType");
      return this;
    }

    /**
     * How the file is read.
     *
     * @param load the value
     * @return this
     */
    public Builder load(LoadMode load) {
      this.load = Objects.requireNonNull(load, "load");
      return this;
    }

    /**
     * Whether weights are repacked where that is faster. Default true.
     *
     * @param repack the value
     * @return this
     */
    public Builder repack(boolean repack) {
      this.repack = repack;
      return this;
    }

    /**
     * Whether reused prefixes and other chunkings are bit-identical too, at some cost.
     *
     * @param exact the value
     * @return this
     */
    public Builder exact(boolean exact) {
      this.exact = exact;
      return this;
    }

    /**
     * Who is told about the loading, and may end it. Null: nobody.
     *
     * @param progress the value
     * @return this
     */
    public Builder progress(LoadListener progress) {
      this.progress = progress;
      return this;
    }

    /**
     * The options as they are now.
     *
     * @return immutable options
     */
    public ModelOptions build() {
      return new ModelOptions(this);
    }
  }
}
