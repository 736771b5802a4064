package org.raison;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.stream.Stream;

/** What tests run in a JVM of its own. */
final class Child {
  private Child() {}

  public static void main(String[] arguments) throws Exception {
    switch (arguments[0]) {
      case "answer" -> answer();
      case "version" -> System.out.println(Library.version());
      case "folder" -> folder();
      case "killed" -> {
        Library.version();
        Runtime.getRuntime().halt(0);
      }
      case "file" -> file(arguments[1]);
      case "log" -> log();
      case "memory" -> memory();
      default -> throw new IllegalArgumentException(arguments[0]);
    }
  }

  private static void answer() {
    try (Model model = new Model();
        Session session = model.session()) {
      session.ask(Fixture.QUESTION, GenerateOptions.builder().temperature(0).build()).run();
      System.out.println(session.answer().text());
    }
  }

  /** Who may read the natives' folder, and what lies in it. */
  private static void folder() throws Exception {
    Library.version();
    try (Stream<Path> all = Files.walk(Path.of(System.getProperty("java.io.tmpdir")))) {
      for (Path path : all.skip(1).sorted().toList()) {
        System.out.println(
            path.getFileName()
                + (Files.isDirectory(path) ? " " + Files.getAttribute(path, "unix:mode") : ""));
      }
    }
  }

  private static void file(String path) {
    try (Model model = new Model(path)) {
      System.out.println(model.info().name());
    }
    try {
      new Model().close();
    } catch (ModelFileException error) {
      System.out.println(error.status());
    }
  }

  private static void log() {
    Logger logger = Logger.getLogger("org.raison"); // System.getLogger's own by default
    logger.setLevel(Level.ALL);
    logger.setUseParentHandlers(false);
    logger.addHandler(
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            System.out.println(record.getLevel() + " " + record.getMessage());
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        });
    new Model("", ModelOptions.builder().threads(1).build()).close();
  }

  /** By how many KiB the process grew from cycle 100 to 1,000. */
  private static void memory() throws Exception {
    ModelOptions small =
        ModelOptions.builder().repack(false).threads(1).kvBytes(64 << 20).build();
    GenerateOptions brief = GenerateOptions.builder().temperature(0).maxTokens(1).build();
    long before = 0;
    try (Model model = new Model("", small)) {
      for (int cycle = 1; cycle <= 1000; ++cycle) {
        try (Session session = model.session();
            Session fork = session.promptText("1 + 1", brief).fork()) {
          session.forEach(event -> {});
          fork.cancel();
        }
        if (cycle % 20 == 0) {
          new Model("", small).close();
          System.gc();
        }
        if (cycle == 100) {
          before = residentKib();
        }
      }
      System.out.println(residentKib() - before);
    }
  }

  private static long residentKib() throws Exception {
    for (int i = 0; i < 3; ++i) {
      System.gc();
    }
    String line =
        Files.readAllLines(Path.of("/proc/self/status")).stream()
            .filter(text -> text.startsWith("VmRSS:"))
            .findFirst()
            .orElseThrow();
    return Long.parseLong(line.replaceAll("[^0-9]", ""));
  }
}
