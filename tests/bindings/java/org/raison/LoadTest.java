package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Loading: from where, how far, what is no model. */
class LoadTest {
  private static Path petit() {
    return Fixture.root().resolve("samples/petit/petit-q8_0.gguf");
  }

  @Test
  void fromAFileFromBytesFromTheJar(@TempDir Path folder) throws Exception {
    Path odd = Files.copy(petit(), folder.resolve("mod\u00E8le \uD83D\uDE00 1.gguf"));
    ModelOptions options =
        ModelOptions.builder()
            .load(LoadMode.COPY)
            .repack(false)
            .exact(true)
            .threads(1)
            .contextLength(300)
            .kvBytes(32 << 20)
            .kvType(KvType.F32)
            .device("cpu")
            .build();
    try (Model model = new Model(odd, options);
        Session session = model.session()) {
      assertEquals(odd.toString(), model.info().path());
      assertEquals(1, model.info().threads());
      assertEquals(32 << 20, model.info().kvBytesLimit());
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      assertEquals("156", session.answer().text());
    }
    try (Model model = Model.fromBytes(Files.readAllBytes(petit()));
        Session session = model.session(256)) {
      assertEquals("memory", model.info().path());
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      assertEquals("156", session.answer().text());
    }
    try (Model model = new Model("", ModelOptions.builder().load(LoadMode.HEADER).build())) {
      assertTrue(model.tokenize("x").length > 0);
      assertFalse(model.plan().isEmpty());
    }
  }

  @Test
  void whatIsNoModelIsNamed(@TempDir Path folder) throws Exception {
    String missing = folder.resolve("no such m\u00F6del.gguf").toString();
    ModelFileException error = assertThrows(ModelFileException.class, () -> new Model(missing));
    assertEquals(Status.NOT_FOUND, error.status());
    assertTrue(error.getMessage().contains(missing), error.getMessage());
    // The empty path is the working folder, and no wish for the built-in model.
    assertThrows(ModelFileException.class, () -> new Model(Path.of("")));
    byte[] all = Files.readAllBytes(petit());
    byte[] cut = java.util.Arrays.copyOf(all, 5000);
    assertEquals(
        Status.FORMAT,
        assertThrows(ModelFileException.class, () -> Model.fromBytes(cut)).status());
    Path broken = Files.write(folder.resolve("cut.gguf"), cut);
    assertTrue(
        assertThrows(ModelFileException.class, () -> new Model(broken))
            .getMessage()
            .contains("cut.gguf"));
    ModelOptions nowhere = ModelOptions.builder().device("nowhere:3").build();
    assertEquals(
        Status.DEVICE,
        assertThrows(ResourceException.class, () -> new Model("", nowhere)).status());
    ModelOptions negative = ModelOptions.builder().threads(-7).build();
    assertThrows(ArgumentException.class, () -> new Model("", negative));
  }

  @Test
  void progressArrivesOnTheCallersThread() {
    List<Long> seen = new ArrayList<>();
    Thread caller = Thread.currentThread();
    ModelOptions options =
        ModelOptions.builder()
            .progress(
                (done, total) -> {
                  assertSame(caller, Thread.currentThread());
                  assertTrue(done <= total && total > 0);
                  seen.add(done);
                  return true;
                })
            .build();
    try (Model model = new Model("", options)) {
      assertFalse(seen.isEmpty());
      assertEquals(model.info().weightBytes() > 0, seen.get(seen.size() - 1) > 0);
    }
  }

  @Test
  void aLoadCanBeEnded() {
    ModelOptions ends = ModelOptions.builder().progress((done, total) -> false).build();
    assertEquals(
        Status.CANCELLED, assertThrows(CancelledException.class, () -> new Model("", ends)).status());
    IllegalStateException own = new IllegalStateException("mine");
    ModelOptions throwing =
        ModelOptions.builder()
            .progress(
                (done, total) -> {
                  throw own;
                })
            .build();
    assertSame(own, assertThrows(IllegalStateException.class, () -> new Model("", throwing)));
    Thread.currentThread().interrupt();
    assertThrows(CancelledException.class, Model::new);
    assertTrue(Thread.interrupted());
    new Model().close(); // all is well after it
  }
}
