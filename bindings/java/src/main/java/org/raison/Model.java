package org.raison;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;

/**
 * A loaded model. Any number of threads may use it at once, each with sessions of its own. Closing
 * it leaves its sessions usable: its memory goes with the last of them.
 *
 * <pre>{@code
 * try (Model model = new Model(); Session session = model.session()) {
 *   for (Event event : session.ask("What is 12 * 13?")) {
 *     if (event.kind() == EventKind.TOKEN) {
 *       System.out.print(event.text());
 *     }
 *   }
 * }
 * }</pre>
 */
public final class Model implements AutoCloseable {
  private final NativeObject<NativeModel> object;
  private final LibraryLog log;

  /** Loads the built-in model. */
  public Model() {
    this("");
  }

  /**
   * Loads a model from a GGUF file or a Hugging Face folder.
   *
   * @param path the file or folder
   */
  public Model(Path path) {
    this(path, ModelOptions.DEFAULTS);
  }

  /**
   * Loads a model from a GGUF file or a Hugging Face folder.
   *
   * @param path the file or folder
   * @param options how
   */
  public Model(Path path, ModelOptions options) {
    this(path.toString().isEmpty() ? "." : path.toString(), options); // Path's empty name
  }

  /**
   * Loads a model by the name of its file, which need not be one that {@link Path} can hold.
   *
   * @param path the file or folder; empty: the built-in model
   */
  public Model(String path) {
    this(path, ModelOptions.DEFAULTS);
  }

  /**
   * Loads a model by the name of its file, which need not be one that {@link Path} can hold.
   *
   * @param path the file or folder; empty: the built-in model
   * @param options how
   */
  public Model(String path, ModelOptions options) {
    this(options, runFile(Utf8.encode("path", path)));
  }

  private Model(ModelOptions options, Function<NativeLoading, NativeModel> load) {
    Objects.requireNonNull(options, "options");
    NativeLibrary.load();
    log = new LibraryLog();
    NativeModel proxy;
    try {
      proxy = new ModelLoading(options, log, load).run();
    } catch (Throwable error) {
      log.leave();
      throw error;
    }
    LibraryLog held = log; // not this: the cleaner must not hold it
    object =
        new NativeObject<>(
            this,
            "model",
            proxy,
            model -> {}, // what runs inside is short
            model -> {
              model.delete();
              held.leave();
            });
    log.handOver();
  }

  private static Function<NativeLoading, NativeModel> runFile(byte[] path) {
    return loading -> loading.RunFile(path);
  }

  /**
   * Loads a model from the bytes of a GGUF file, which are copied.
   *
   * @param bytes all of the file
   * @return the model
   */
  public static Model fromBytes(byte[] bytes) {
    return fromBytes(bytes, ModelOptions.DEFAULTS);
  }

  /**
   * Loads a model from the bytes of a GGUF file, which are copied.
   *
   * @param bytes all of the file
   * @param options how
   * @return the model
   */
  public static Model fromBytes(byte[] bytes, ModelOptions options) {
    Objects.requireNonNull(bytes, "bytes");
    return new Model(options, loading -> loading.RunBytes(bytes));
  }

  /**
   * A new timeline.
   *
   * @return an empty session with the model's default context length
   */
  public Session session() {
    return session(0);
  }

  /**
   * A new timeline.
   *
   * @param contextLength tokens; 0: the default
   * @return an empty session
   */
  public Session session(int contextLength) {
    int context = Numbers.natural("contextLength", contextLength);
    byte[] options = new RecordWriter().int32(context).take();
    return new Session(call(model -> new NativeSession(model, options)), log, 0);
  }

  /**
   * What the model is, and what its sessions use now.
   *
   * @return a copy
   */
  public ModelInfo info() {
    return ModelInfo.of(call(NativeModel::Info));
  }

  /**
   * One tensor of the file.
   *
   * @param index below {@link ModelInfo#tensors}
   * @return a copy
   */
  public TensorInfo tensor(long index) {
    long tensor = Numbers.natural("index", index);
    return TensorInfo.of(call(model -> model.Tensor(tensor)));
  }

  /**
   * All tensors, in the file's order.
   *
   * @return copies
   */
  public List<TensorInfo> tensors() {
    long count = info().tensors();
    List<TensorInfo> all = new ArrayList<>();
    for (long i = 0; i < count; ++i) {
      all.add(tensor(i));
    }
    return List.copyOf(all);
  }

  /**
   * Which device holds and computes what, and how many bytes it takes; for one session of the
   * default length. Works after {@link LoadMode#HEADER} too.
   *
   * @return for people
   */
  public String plan() {
    return plan(PlanFormat.TEXT, 0, 1);
  }

  /**
   * Which device holds and computes what, and how many bytes it takes.
   *
   * @param format for whom
   * @param contextLength tokens of a session; 0: the default
   * @param sessions how many sessions
   * @return in that format
   */
  public String plan(PlanFormat format, int contextLength, int sessions) {
    int number = format.ordinal();
    int context = Numbers.natural("contextLength", contextLength);
    int count = Numbers.natural("sessions", sessions);
    return Utf8.decode(call(model -> model.Plan(number, context, count)));
  }

  /**
   * Turns text into tokens.
   *
   * @param text the text
   * @param flags how
   * @return ids in the model's vocabulary
   */
  public int[] tokenize(String text, TokenizeFlag... flags) {
    return tokenize(Utf8.encode("text", text), flags);
  }

  /**
   * Turns bytes, which need not be valid UTF-8, into tokens.
   *
   * @param text the bytes
   * @param flags how
   * @return ids in the model's vocabulary
   */
  public int[] tokenize(byte[] text, TokenizeFlag... flags) {
    Objects.requireNonNull(text, "text");
    int bits = TokenizeFlag.bits(flags);
    return call(model -> model.Tokenize(text, bits));
  }

  /**
   * Turns tokens into text; special tokens give none, a part of a code point shows as U+FFFD.
   *
   * @param tokens ids in the model's vocabulary
   * @return the text
   */
  public String detokenize(int... tokens) {
    return Utf8.decode(detokenizeBytes(tokens, false));
  }

  /**
   * Turns tokens into exactly their bytes, which may end inside a code point.
   *
   * @param tokens ids in the model's vocabulary
   * @param special whether special tokens give their text
   * @return the bytes
   */
  public byte[] detokenizeBytes(int[] tokens, boolean special) {
    Objects.requireNonNull(tokens, "tokens");
    return call(model -> model.Detokenize(tokens, special ? 1 : 0));
  }

  /**
   * The bytes of one token, special ones too; perhaps a part of a code point.
   *
   * @param token its id
   * @return the bytes
   */
  public byte[] tokenText(int token) {
    return call(model -> model.TokenText(token));
  }

  /**
   * Renders a conversation as {@link Session#prompt} does it.
   *
   * @param messages the conversation
   * @return the text that the model would read
   */
  public String render(Iterable<Message> messages) {
    return render(messages, GenerateOptions.DEFAULTS);
  }

  /**
   * Renders a conversation as {@link Session#prompt} does it.
   *
   * @param messages the conversation
   * @param options of which thinking, templateArguments and continueLast count
   * @return the text that the model would read
   */
  public String render(Iterable<Message> messages, GenerateOptions options) {
    byte[] record = options.record();
    NativeMessages list = NativeObject.checked(() -> Message.toNative(messages));
    try {
      return Utf8.decode(call(model -> model.Render(list, record)));
    } finally {
      list.delete();
    }
  }

  /** Gives up the hold on the model. May be called again. */
  @Override
  public void close() {
    object.close();
  }

  private <R> R call(Function<NativeModel, R> function) {
    return object.call(this, function);
  }
}
