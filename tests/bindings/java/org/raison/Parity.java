package org.raison;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;

/** The Java driver of tests/bindings/cases.txt (README.md beside it): says what it prints. */
final class Parity {
  /** One line: a verb and its values, of which a key may have several. */
  private record Line(String verb, List<String> keys, List<String> values) {
    static Line of(String raw) {
      String[] parts = raw.split("\t", -1);
      List<String> keys = new ArrayList<>();
      List<String> values = new ArrayList<>();
      for (String part : Arrays.asList(parts).subList(1, parts.length)) {
        int equals = part.indexOf('=');
        keys.add(part.substring(0, equals));
        values.add(unescaped(part.substring(equals + 1)));
      }
      return new Line(parts[0], keys, values);
    }

    String text(String key, String otherwise) {
      int at = keys.indexOf(key);
      return at < 0 ? otherwise : values.get(at);
    }

    String text(String key) {
      return text(key, null);
    }

    int number(String key, int otherwise) {
      return Integer.parseInt(text(key, "" + otherwise));
    }

    boolean is(String key) {
      return number(key, 0) != 0;
    }

    List<String> all(String key) {
      List<String> all = new ArrayList<>();
      for (int i = 0; i < keys.size(); ++i) {
        if (keys.get(i).equals(key)) {
          all.add(values.get(i));
        }
      }
      return all;
    }

    private static String unescaped(String raw) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < raw.length(); ++i) {
        char c = raw.charAt(i);
        if (c == '\\' && i + 1 < raw.length()) {
          c = raw.charAt(++i);
          c = c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c == '0' ? '\0' : c;
        }
        text.append(c);
      }
      return text.toString();
    }
  }

  private static final class Thrown extends RuntimeException {
    private static final long serialVersionUID = 1;
  }

  private final StringBuilder out = new StringBuilder();
  private final Map<String, Session> sessions = new HashMap<>();
  private Model model;
  private String current = "a";

  static String tell(List<String> lines) throws Exception {
    Parity parity = new Parity();
    for (String raw : lines) {
      if (!raw.isEmpty() && raw.charAt(0) != '#') {
        parity.line(raw);
      }
    }
    parity.closeAll();
    return parity.out.toString();
  }

  private void line(String raw) throws Exception {
    if (raw.startsWith("want\t")) {
      return;
    }
    if (raw.startsWith("case\t")) {
      closeAll();
      say("case " + raw.substring("case\t".length()));
      return;
    }
    Line line = Line.of(raw);
    say("> " + line.verb);
    try {
      if (isMissing(line.verb)) {
        say("closed");
      } else if (act(line) || ask(line) || steer(line)) {
        say("ok");
      } else {
        tell(line);
      }
    } catch (StateException error) {
      // Every language has its own way to say this.
      say(error.getMessage().endsWith(" is closed") ? "closed" : name(error));
    } catch (RaisonException error) {
      say(name(error));
    }
  }

  private static String name(RaisonException error) {
    return "error " + Library.statusName(error.status().number());
  }

  /** What was never made. */
  private boolean isMissing(String verb) {
    return switch (verb) {
      case "load", "use", "close" -> false;
      case "session", "info", "tokenize", "detokenize", "token_text", "render", "threads", "together" ->
          model == null;
      default -> !sessions.containsKey(current);
    };
  }

  private void closeAll() {
    sessions.values().forEach(Session::close);
    sessions.clear();
    if (model != null) {
      model.close();
    }
    model = null;
    current = "a";
  }

  private void say(String text) {
    out.append(text).append('\n');
  }

  private static String escaped(String text) {
    return text.replace("\\", "\\\\")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t")
        .replace("\0", "\\0");
  }

  private void sayJson(String json) {
    say(json.replaceAll("\"(microseconds|begin_seconds|end_seconds)\":[^,}]*", "\"$1\":0"));
  }

  private void sayEvent(Event event) {
    if (event.kind() != EventKind.PROGRESS) {
      sayJson(event.toJson());
    }
  }

  private Session session() {
    return sessions.get(current);
  }

  private void put(String name, Session session) {
    Session old = sessions.put(name, session);
    if (old != null) {
      old.close();
    }
  }

  // ---- options and messages

  private static boolean isMode(String text) {
    return List.of("auto", "on", "off").contains(text);
  }

  /** Null: no option was given. */
  private static GenerateOptions options(Line line) {
    GenerateOptions.Builder o = GenerateOptions.builder().waitMs(60_000); // no progress in between
    Map<Integer, Float> biases = new HashMap<>();
    boolean any = false;
    for (int i = 0; i < line.keys.size(); ++i) {
      any |= option(o, line.keys.get(i), line.values.get(i), biases);
    }
    o.logitBias(biases).stop(line.all("stop"));
    return any ? o.build() : null;
  }

  private static GenerateOptions someOptions(Line line) {
    GenerateOptions given = options(line);
    return given != null ? given : GenerateOptions.builder().waitMs(60_000).build();
  }

  private static boolean option(
      GenerateOptions.Builder o, String key, String value, Map<Integer, Float> biases) {
    switch (key) {
      case "max_tokens" -> o.maxTokens(Integer.parseInt(value));
      case "branch" -> o.branch(Integer.parseInt(value));
      case "seed" -> o.seed(Long.parseUnsignedLong(value));
      case "temperature" -> o.temperature(Float.parseFloat(value));
      case "top_p" -> o.topP(Float.parseFloat(value));
      case "min_p" -> o.minP(Float.parseFloat(value));
      case "top_k" -> o.topK(Integer.parseInt(value));
      case "repetition_penalty" -> o.repetitionPenalty(Float.parseFloat(value));
      case "presence_penalty" -> o.presencePenalty(Float.parseFloat(value));
      case "frequency_penalty" -> o.frequencyPenalty(Float.parseFloat(value));
      case "penalty_last_n" -> o.penaltyLastN(Integer.parseInt(value));
      case "think_budget_soft" -> o.thinkBudgetSoft(Integer.parseInt(value));
      case "think_budget_hard" -> o.thinkBudgetHard(Integer.parseInt(value));
      case "think_minimum" -> o.thinkMinimum(Integer.parseInt(value));
      case "answer_reserve" -> o.answerReserve(Integer.parseInt(value));
      case "alternatives" -> o.alternatives(Integer.parseInt(value));
      case "thinking" -> {
        if (!isMode(value)) {
          return false; // what was thought before the next message
        }
        o.thinking(ThinkingMode.valueOf(value.toUpperCase(Locale.ROOT)));
      }
      case "release" -> o.release(Release.STEP);
      case "experts" -> o.traceExperts(true);
      case "trace_prompt" -> o.tracePrompt(true);
      case "exclude_first_token" -> o.excludeFirstToken(true);
      case "continue_last" -> o.continueLast(true);
      case "continuation" -> o.continuation(value);
      case "template_arguments" -> o.templateArguments(value);
      case "logit_bias" -> {
        String[] pair = value.split(":");
        biases.put(Integer.parseInt(pair[0]), Float.parseFloat(pair[1]));
      }
      case "stop" -> {}
      default -> {
        return false;
      }
    }
    return true;
  }

  private static List<Message> messages(Line line) {
    List<Message> messages = new ArrayList<>();
    String thinking = null;
    for (int i = 0; i < line.keys.size(); ++i) {
      String key = line.keys.get(i);
      String value = line.values.get(i);
      if (key.equals("thinking") && !isMode(value)) {
        thinking = value;
      } else if (List.of("system", "user", "assistant", "tool").contains(key)) {
        messages.add(new Message(Role.valueOf(key.toUpperCase(Locale.ROOT)), value, thinking));
        thinking = null;
      }
    }
    return messages;
  }

  private static TokenizeFlag[] flags(Line line) {
    List<TokenizeFlag> flags = new ArrayList<>();
    if (line.is("special")) {
      flags.add(TokenizeFlag.SPECIAL);
    }
    if (line.is("bos")) {
      flags.add(TokenizeFlag.BOS);
    }
    return flags.toArray(new TokenizeFlag[0]);
  }

  // ---- verbs that say "ok"

  private boolean act(Line line) {
    switch (line.verb) {
      case "load" -> load(line);
      case "session" -> {
        current = line.text("name", "a");
        put(current, model.session(line.number("context_length", 0)));
      }
      case "use" -> current = line.text("name", "a");
      case "close" -> {
        if (line.text("what").equals("model")) {
          model.close();
        } else {
          sessions.get(line.text("name", current)).close();
        }
      }
      default -> {
        return false;
      }
    }
    return true;
  }

  private void load(Line line) {
    ModelOptions.Builder options =
        ModelOptions.builder()
            .device(line.text("device", ""))
            .chatTemplate(line.text("chat_template", ""))
            .contextLength(line.number("context_length", 0))
            .kvBytes(line.number("kv_bytes", 0))
            .load(LoadMode.valueOf(line.text("load", "map").toUpperCase(Locale.ROOT)));
    if (model != null) {
      model.close();
    }
    String bytes = line.text("bytes");
    model =
        bytes == null
            ? new Model(line.text("path", ""), options.build())
            : Model.fromBytes(HexFormat.of().parseHex(bytes), options.build());
  }

  private boolean ask(Line line) {
    switch (line.verb) {
      case "ask" -> session().ask(line.text("text"), someOptions(line));
      case "prompt" -> session().prompt(messages(line), someOptions(line));
      case "prompt_text" ->
          session().promptText(line.text("text"), someOptions(line), flags(line));
      default -> {
        return false;
      }
    }
    return true;
  }

  private boolean steer(Line line) {
    GenerateOptions options = options(line);
    switch (line.verb) {
      case "end_thinking" -> session().endThinking();
      case "stop" -> session().stop();
      case "cancel" -> session().cancel();
      case "inject" -> session().inject(line.text("text"));
      case "rewind" -> {
        long position =
            line.text("step") != null
                ? session().step(line.number("step", 0)).rewind()
                : line.number("position", 0);
        if (options == null) {
          session().rewind(position);
        } else {
          session().rewind(position, options);
        }
      }
      case "fork" ->
          put(
              line.text("name", "b"),
              options == null ? session().fork() : session().fork(options));
      default -> {
        return false;
      }
    }
    return true;
  }

  // ---- verbs that tell

  private void tell(Line line) throws Exception {
    switch (line.verb) {
      case "events" -> events(line);
      case "run" -> run(line);
      case "threads" -> threads(line);
      case "together" -> together(line);
      case "steps" -> session().steps().forEach(step -> sayJson(step.toJson()));
      case "text" ->
          say(
              "text "
                  + escaped(
                      line.text("channel").equals("thinking")
                          ? session().thinking()
                          : session().answerText()));
      case "answer" -> {
        Answer answer = session().answer();
        say("answer " + answer.step() + " " + escaped(answer.text()));
      }
      case "usage" -> {
        Usage u = session().usage();
        say(
            words(
                "usage",
                u.promptTokens(),
                u.cachedTokens(),
                u.thinkingTokens(),
                u.answerTokens(),
                u.forcedTokens(),
                u.discardedTokens()));
      }
      case "position" -> say("position " + session().position());
      case "running" -> say("running " + (session().running() ? 1 : 0));
      case "tokens" -> session().tokens().forEach(this::sayToken);
      case "options" -> sayOptions(session().options());
      case "experts" ->
          say(numbers("experts", session().stepExperts(line.number("index", 0))));
      case "logits" -> {
        float[] row = session().logits();
        int best = 0;
        for (int i = 1; i < row.length; ++i) {
          best = row[i] > row[best] ? i : best;
        }
        say("logits " + row.length + " " + best);
      }
      default -> tellModel(line);
    }
  }

  private void tellModel(Line line) {
    switch (line.verb) {
      case "info" -> {
        ModelInfo i = model.info();
        say(
            words(
                "info",
                i.architecture(),
                i.name(),
                i.parameters(),
                i.vocabulary(),
                i.layers(),
                i.experts(),
                i.tensors()));
      }
      case "tokenize" -> say(numbers("tokens", model.tokenize(line.text("text"), flags(line))));
      case "detokenize" -> {
        int[] tokens =
            Arrays.stream(line.text("tokens").split(","))
                .filter(text -> !text.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        say("bytes " + hex(model.detokenizeBytes(tokens, line.is("special"))));
      }
      case "token_text" -> say("bytes " + hex(model.tokenText(line.number("token", 0))));
      case "render" -> say("text " + escaped(model.render(messages(line), someOptions(line))));
      default -> throw new AssertionError("unknown verb " + line.verb);
    }
  }

  private static String words(Object... words) {
    return Arrays.stream(words).map(String::valueOf).collect(Collectors.joining(" "));
  }

  private static String numbers(String word, int[] numbers) {
    return word
        + Arrays.stream(numbers).mapToObj(number -> " " + number).collect(Collectors.joining());
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  private void sayToken(Token t) {
    say(
        words(
            "token",
            t.position(),
            t.token(),
            t.step(),
            t.channel().ordinal(),
            t.source().ordinal(),
            t.rank(),
            t.branch(),
            hex(t.bytes())));
  }

  private void sayOptions(GenerateOptions o) {
    StringBuilder text =
        new StringBuilder(
            words(
                "options",
                Long.toUnsignedString(o.seed()),
                o.branch(),
                o.maxTokens(),
                o.topK(),
                o.alternatives(),
                o.thinkBudgetSoft(),
                o.thinkBudgetHard(),
                o.thinkMinimum(),
                o.answerReserve(),
                o.thinking().ordinal(),
                o.release().ordinal()));
    o.stop().forEach(stop -> text.append(' ').append(escaped(stop)));
    say(text.toString());
  }

  private static EventKind kind(String name) {
    return EventKind.valueOf(name.toUpperCase(Locale.ROOT));
  }

  private void events(Line line) {
    EventKind until = kind(line.text("until", "done"));
    int count = line.number("count", 1);
    for (Event event : session()) {
      sayEvent(event);
      if (event.kind() == until && --count == 0) {
        break;
      }
    }
  }

  private void run(Line line) {
    EventKind at = kind(line.text("at", "none"));
    int[] nth = {line.number("nth", 1)};
    TraceListener listener =
        (session, event) -> {
          sayEvent(event);
          if (event.kind() != at || --nth[0] != 0) {
            return Verdict.CONTINUE;
          }
          switch (line.text("verdict", "continue")) {
            case "end_thinking":
              return Verdict.END_THINKING;
            case "stop":
              return Verdict.STOP;
            case "throw":
              throw new Thrown();
            case "cancel":
              Thread other = new Thread(session::cancel);
              other.start();
              try {
                other.join();
              } catch (InterruptedException error) {
                throw new AssertionError(error);
              }
              return Verdict.CONTINUE;
            default:
              return Verdict.CONTINUE;
          }
        };
    try {
      say("answer " + escaped(session().run(listener)));
    } catch (Thrown thrown) {
      say("thrown");
    }
  }

  private void threads(Line line) throws Exception {
    int count = line.number("count", 1);
    ExecutorService threads = Executors.newFixedThreadPool(count);
    try {
      Callable<String> job =
          () -> {
            try (Session session = model.session()) {
              return session.ask(line.text("text"), someOptions(line)).run();
            }
          };
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < count; ++i) {
        answers.add(threads.submit(job));
      }
      for (Future<String> answer : answers) {
        say("thread " + escaped(answer.get()));
      }
    } finally {
      threads.shutdown();
    }
  }

  private void together(Line line) {
    List<Session> group = new ArrayList<>();
    try {
      for (String text : line.all("text")) {
        group.add(model.session().ask(text, someOptions(line)));
      }
      Sessions.stepAll(group).forEach(stepped -> {});
      for (int i = 0; i < group.size(); ++i) {
        say("together " + i + " " + escaped(group.get(i).answerText()));
      }
    } finally {
      group.forEach(Session::close);
    }
  }
}
