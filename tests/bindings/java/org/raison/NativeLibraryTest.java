package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Where the native library is found, in JVMs of their own. */
class NativeLibraryTest {
  @TempDir Path scratch;
  private Path temporary;

  @BeforeEach
  void makeFolder() throws IOException {
    temporary = Files.createDirectories(scratch.resolve("t\u00E9mp dir"));
  }

  private static Path classes() {
    return Fixture.build().resolve("maven/classes");
  }

  private static Path natives() {
    return Fixture.build()
        .resolve("java/natives/org/raison/native")
        .resolve(NativeLibrary.platform());
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path path : all.toList()) {
        Path target = to.resolve(from.relativize(path).toString());
        Files.createDirectories(target.getParent());
        Files.copy(path, target, StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }

  /** The classes alone. */
  private Path bare() throws IOException {
    Path bare = scratch.resolve("bare");
    copy(classes(), bare);
    Path natives = bare.resolve("org/raison/native");
    try (Stream<Path> all = Files.walk(natives)) {
      for (Path path : all.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.delete(path);
      }
    }
    return bare;
  }

  private Fixture.Finished child(Path classPath, String what, String... options)
      throws Exception {
    List<String> all = new ArrayList<>(List.of(options));
    all.add("-Djava.io.tmpdir=" + temporary);
    all.add("-Xcheck:jni");
    all.add("-Dfile.encoding=UTF-8");
    all.add("-cp");
    all.add(classPath + ":" + Fixture.build().resolve("maven/test-classes"));
    all.add(Child.class.getName());
    all.add(what);
    // é in a path: a JVM in the C locale cannot name it.
    return Fixture.execute(Fixture.java(all), Map.of("LC_ALL", "C.UTF-8"));
  }

  private void leavesNothing() throws IOException {
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(
          List.of(),
          left.filter(path -> path.getFileName().toString().startsWith("raison-")).toList());
    }
  }

  @Test
  void fromTheJarIntoAPrivateFolder() throws Exception {
    Fixture.Finished seen = child(classes(), "folder");
    assertEquals(0, seen.status(), seen.output());
    List<String> lines = seen.output().lines().filter(l -> !l.startsWith("hsperf")).toList();
    assertTrue(lines.get(0).startsWith("raison-java-"), seen.output());
    assertEquals("" + 0040700, lines.get(0).split(" ")[1], "only the user may enter");
    assertTrue(lines.contains("libraison_java.so") && lines.contains("petit.gguf"));
    leavesNothing();
    Fixture.Finished answer = child(classes(), "answer");
    assertEquals("156\n", answer.output());
    leavesNothing();
  }

  @Test
  void fromAnExplicitPathAndNowhereElse() throws Exception {
    Path bare = bare();
    Path folder = scratch.resolve("my lib\u00E9");
    copy(natives(), folder);
    String option = "-D" + NativeLibrary.PROPERTY + "=";
    assertEquals("156\n", child(bare, "answer", option + folder).output());
    Path file = folder.resolve("libraison_java.so");
    assertEquals("156\n", child(bare, "answer", option + file).output());
    // The jar has one, but it is not asked.
    Fixture.Finished missing = child(classes(), "version", option + scratch.resolve("none.so"));
    assertTrue(missing.status() != 0);
    assertTrue(missing.output().contains("no file " + scratch.resolve("none.so")));
    assertTrue(missing.output().contains("Nothing else is tried"), missing.output());
    leavesNothing();
  }

  @Test
  void fromTheLibraryPath() throws Exception {
    Path bare = bare();
    String path = "-Djava.library.path=/no/such/folder:" + natives();
    assertEquals("156\n", child(bare, "answer", path).output());
    // Also where the jar's files cannot be unpacked.
    Path nowhere = scratch.resolve("nowhere");
    Fixture.Finished other =
        Fixture.execute(
            Fixture.java(
                List.of("-Djava.io.tmpdir=" + nowhere, path, "-cp"),
                classes() + ":" + Fixture.build().resolve("maven/test-classes"),
                Child.class.getName(),
                "answer"),
            Map.of("LC_ALL", "C.UTF-8"));
    assertEquals(0, other.status(), other.output());
    assertTrue(other.output().endsWith("156\n"), other.output());
  }

  @Test
  void theErrorSaysAllThatWasTried() throws Exception {
    Fixture.Finished failed = child(bare(), "version", "-Djava.library.path=/no/a:/no/b");
    assertTrue(failed.status() != 0);
    for (String part :
        List.of(
            "UnsatisfiedLinkError",
            "for " + NativeLibrary.platform(),
            "the jar (org/raison/native/" + NativeLibrary.platform() + "): holds nothing",
            "no file /no/a/libraison_java.so",
            "no file /no/b/libraison_java.so",
            "-D" + NativeLibrary.PROPERTY)) {
      assertTrue(failed.output().contains(part), part + " is not in " + failed.output());
    }
  }

  @Test
  void anotherVersionIsRefused() throws Exception {
    Path other = scratch.resolve("other");
    copy(classes(), other);
    Path index =
        other.resolve("org/raison/native").resolve(NativeLibrary.platform()).resolve("files");
    String files = Files.readString(index);
    Files.writeString(index, files.replaceFirst("version \\d+", "version 99"));
    Fixture.Finished old = child(other, "version", "-Djava.library.path=/no/a");
    assertTrue(old.status() != 0);
    assertTrue(old.output().contains("version 99, wanted version 100"), old.output());
    leavesNothing();
    Files.writeString(index, files + "../../escaped\n");
    Fixture.Finished escaping = child(other, "version", "-Djava.library.path=/no/a");
    assertTrue(escaping.output().contains("would lie outside"), escaping.output());

    // A libraison.so of another version beside the right binding: JNI_OnLoad says so.
    Path mixed = scratch.resolve("mixed");
    Files.createDirectories(mixed);
    Files.copy(natives().resolve("libraison_java.so"), mixed.resolve("libraison_java.so"));
    Path source = scratch.resolve("old.c");
    String real = natives().resolve("libraison.so.0").toString();
    List<String> functions =
        Fixture.execute(List.of("nm", "-D", "--defined-only", real), Map.of())
            .output()
            .lines()
            .filter(line -> line.contains(" T "))
            .map(line -> line.replaceAll(".* T ", ""))
            .toList();
    StringBuilder code = new StringBuilder();
    for (String function : functions) {
      code.append("int ").append(function.replaceAll("@.*", "")).append("(void) { return 99; }\n");
    }
    Files.writeString(source, code);
    Path script = scratch.resolve("old.map");
    Files.writeString(script, functions.get(0).replaceAll(".*@", "") + " { global: *; };\n");
    Path library = mixed.resolve("libraison.so.0");
    assumeTrue(new java.io.File("/usr/bin/cc").canExecute(), "no C compiler");
    Fixture.Finished compiled =
        Fixture.execute(
            List.of(
                "cc",
                "-shared",
                "-fPIC",
                "-Wl,-soname,libraison.so.0",
                "-Wl,--version-script=" + script,
                "-o",
                library.toString(),
                source.toString()),
            Map.of());
    assertEquals(0, compiled.status(), compiled.output());
    Fixture.Finished refused =
        child(bare(), "version", "-D" + NativeLibrary.PROPERTY + "=" + mixed);
    assertTrue(refused.status() != 0);
    assertTrue(refused.output().contains("version 99 of libraison"), refused.output());
  }

  @Test
  void whatAKilledJvmLeavesIsRemovedByALaterOne() throws Exception {
    assertEquals(0, child(classes(), "killed").status());
    Path left;
    try (Stream<Path> all = Files.list(temporary)) {
      left =
          all.filter(path -> path.getFileName().toString().startsWith("raison-java-"))
              .findFirst()
              .orElseThrow();
    }
    FileTime old = FileTime.from(Instant.now().minus(Duration.ofHours(2)));
    Path inUse = Files.createDirectory(temporary.resolve("raison-java-1"));
    Path strange = Files.createDirectory(temporary.resolve("raison-java-2")); // has no lock file
    child(classes(), "version");
    assertTrue(Files.exists(left), "it is too young to be abandoned for certain");
    try (FileChannel lock =
        FileChannel.open(
            inUse.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      lock.lock();
      for (Path folder : List.of(left, inUse, strange)) {
        Files.setLastModifiedTime(folder, old);
      }
      assertEquals("0.1.0\n", child(classes(), "version").output());
      assertFalse(Files.exists(left));
      assertTrue(Files.exists(inUse) && Files.exists(strange));
    }
  }

  @Test
  void theLibrarysWordsGoToTheSystemLogger() throws Exception {
    List<String> command =
        Fixture.java(
            List.of("-cp", classes() + ":" + Fixture.build().resolve("maven/test-classes")),
            Child.class.getName(),
            "log");
    Fixture.Finished quiet = Fixture.execute(command, Map.of());
    assertFalse(quiet.output().contains("WARNING"), quiet.output());
    Fixture.Finished warned = Fixture.execute(command, Map.of("RAISON_CPU", "nonsense"));
    assertTrue(warned.output().contains("WARNING"), warned.output());
    assertTrue(warned.output().contains("nonsense"), warned.output());
  }

  @Test
  void aFileIsLoadedWithoutTheBuiltInModel() throws Exception {
    String file = Fixture.root().resolve("samples/petit/petit-q8_0.gguf").toString();
    List<String> command =
        Fixture.java(
            List.of("-cp", classes() + ":" + Fixture.build().resolve("maven/test-classes")),
            Child.class.getName(),
            "file",
            file);
    Fixture.Finished loaded =
        Fixture.execute(command, Map.of("RAISON_MODEL_PATH", "/no/such/model"));
    assertEquals("Petit\nNOT_FOUND\n", loaded.output());
  }

  @Test
  void cyclesLeaveMemoryFlat() throws Exception {
    // One compiler, a heap that is there from the beginning: what grows is the library's.
    List<String> options =
        List.of(
            "-XX:+UseSerialGC",
            "-Xms32m",
            "-Xmx32m",
            "-Xmn8m",
            "-XX:+AlwaysPreTouch",
            "-Xint",
            "-cp",
            classes() + ":" + Fixture.build().resolve("maven/test-classes"));
    Fixture.Finished grown =
        Fixture.execute(Fixture.java(options, Child.class.getName(), "memory"), Map.of());
    assertEquals(0, grown.status(), grown.output());
    long kib = Long.parseLong(grown.output().strip());
    assertTrue(kib < 1024, kib + " KiB more after 900 cycles");
  }
}
