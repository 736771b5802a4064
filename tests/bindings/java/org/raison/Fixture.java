package org.raison;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** What the tests share: one model, a few requests, other JVMs. */
final class Fixture {
  static final Model MODEL = new Model();
  static final String QUESTION = "What is 12 * 13?";

  private Fixture() {}

  static GenerateOptions.Builder greedy() {
    return GenerateOptions.builder().temperature(0);
  }

  /** A request that lasts until somebody ends it: its thinking may not be closed. */
  static GenerateOptions endless() {
    return greedy().thinkMinimum(30000).answerReserve(0).build();
  }

  static List<Event> events(Session session) {
    List<Event> events = new ArrayList<>();
    session.forEach(events::add);
    return events;
  }

  static Event last(Session session) {
    List<Event> events = events(session);
    return events.get(events.size() - 1);
  }

  static Path root() {
    return Path.of(System.getProperty("raison.root"));
  }

  static Path build() {
    return Path.of(System.getProperty("raison.test.build"));
  }

  record Finished(int status, String output) {}

  static List<String> java(List<String> options, String... rest) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    command.addAll(List.of(rest));
    return command;
  }

  /** Runs a program; its standard error is part of the output. */
  static Finished execute(List<String> command, Map<String, String> environment)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    process.getInputStream().transferTo(output);
    if (!process.waitFor(2, TimeUnit.MINUTES)) {
      process.destroyForcibly();
      throw new IOException("does not end: " + command);
    }
    return new Finished(process.exitValue(), output.toString(StandardCharsets.UTF_8));
  }
}
