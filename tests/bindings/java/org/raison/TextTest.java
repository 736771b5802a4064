package org.raison;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Texts in both directions: what JNI's own strings would lose. */
class TextTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a",
        "\uD83D\uDE00",
        "before \uD83D\uDE00 after",
        "\0",
        "a\0b",
        "e\u0301 \u0915\u094D\u0937\u093F",
        "\uD83D\uDC68\u200D\uD83D\uDC69\u200D\uD83D\uDC67",
        "\uFFFD \uFFFF \uFEFF",
        "\u00E9\n\r\t\\\""
      })
  void everyTextComesBack(String text) {
    int[] tokens = Fixture.MODEL.tokenize(text);
    assertEquals(text, Fixture.MODEL.detokenize(tokens));
    assertArrayEquals(
        text.getBytes(StandardCharsets.UTF_8), Fixture.MODEL.detokenizeBytes(tokens, false));
    String rendered = Fixture.MODEL.render(List.of(Message.user(text)));
    assertTrue(rendered.contains(text), rendered);
  }

  @Test
  void anEmojiIsSplitOverTokensAndWholeInEvents() {
    String emoji = "\uD83E\uDDEE";
    int[] tokens = Fixture.MODEL.tokenize(emoji);
    assertTrue(tokens.length > 1, "the model has a token for it");
    StringBuilder pieces = new StringBuilder();
    for (int token : tokens) {
      pieces.append(new String(Fixture.MODEL.tokenText(token), StandardCharsets.UTF_8));
    }
    assertFalse(pieces.toString().contains(emoji));
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().maxTokens(40).build());
      while (session.next().kind() != EventKind.TOKEN) {}
      session.inject(" " + emoji + "\0" + emoji + ".");
      StringBuilder seen = new StringBuilder();
      int injected = 0;
      for (Event event : session) {
        if (event.kind() == EventKind.TOKEN && event.source() == TokenSource.INJECTED) {
          seen.append(event.text());
          ++injected;
        }
      }
      assertEquals(" " + emoji + "\0" + emoji + ".", seen.toString());
      assertTrue(injected >= 2 * tokens.length, injected + " tokens");
      assertTrue(session.thinking().contains(emoji + "\0" + emoji));
    }
  }

  @Test
  void aMegabyteCrosses() {
    StringBuilder long1 = new StringBuilder();
    while (long1.length() < 1 << 20) {
      long1.append("\uD83D\uDE00 na\u00EFve \0 12 * 13 ");
    }
    String text = long1.toString();
    assertEquals(text, Fixture.MODEL.detokenize(Fixture.MODEL.tokenize(text)));
    assertTrue(Fixture.MODEL.render(List.of(Message.user(text))).contains(text));
    try (Session session = Fixture.MODEL.session()) {
      StateException error = assertThrows(StateException.class, () -> session.ask(text));
      assertEquals(Status.CONTEXT, error.status());
      assertEquals("156", answer(session)); // it is as it was
    }
  }

  private static String answer(Session session) {
    session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
    return session.answer().text();
  }

  @Test
  void aLoneSurrogateIsAnArgumentError() {
    String bad = "a\uD83Db";
    Message message = Message.assistant("x", bad);
    GenerateOptions stop = GenerateOptions.builder().stop(bad).build();
    GenerateOptions continuation = GenerateOptions.builder().continuation(bad).build();
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      List<Executable> calls = new ArrayList<>();
      calls.add(() -> session.ask(bad));
      calls.add(() -> session.ask("\uDE00"));
      calls.add(() -> session.ask("x", stop));
      calls.add(() -> session.ask("x", continuation));
      calls.add(() -> session.promptText(bad));
      calls.add(() -> session.prompt(List.of(Message.user(bad))));
      calls.add(() -> session.prompt(List.of(message)));
      calls.add(() -> session.inject(bad));
      calls.add(() -> session.rewind(0, stop));
      calls.add(() -> session.fork(stop).close());
      calls.add(() -> Fixture.MODEL.tokenize(bad));
      calls.add(() -> Fixture.MODEL.render(List.of(message)));
      calls.add(() -> new Model(bad).close());
      calls.add(() -> Library.devices(bad));
      for (Executable call : calls) {
        ArgumentException error = assertThrows(ArgumentException.class, call);
        assertEquals(Status.TEXT, error.status());
        assertTrue(error.getMessage().contains("lone surrogate"), error.getMessage());
      }
      assertEquals(DoneReason.END, Fixture.last(session).doneReason()); // nothing has happened
    }
  }

  @Test
  void bytesThatAreNoUtf8CanBeTokens() {
    byte[] bytes = {(byte) 0xFF, 'a', (byte) 0xC3, 0, (byte) 0x80};
    int[] tokens = Fixture.MODEL.tokenize(bytes);
    assertArrayEquals(bytes, Fixture.MODEL.detokenizeBytes(tokens, true));
    assertEquals("\uFFFDa\uFFFD\0\uFFFD", Fixture.MODEL.detokenize(tokens));
  }

  @Test
  void nullIsRefusedByName() {
    try (Session session = Fixture.MODEL.session()) {
      assertEquals(
          "text", assertThrows(NullPointerException.class, () -> session.ask(null)).getMessage());
      assertThrows(NullPointerException.class, () -> session.ask("x", null));
      assertThrows(NullPointerException.class, () -> Fixture.MODEL.detokenize((int[]) null));
      assertThrows(NullPointerException.class, () -> Message.user(null));
      assertThrows(NullPointerException.class, () -> new Model((String) null).close());
      assertThrows(NullPointerException.class, () -> Model.fromBytes(null).close());
    }
  }
}
