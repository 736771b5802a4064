package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Requests, their events, and what can be asked of model and session. */
class RequestTest {
  @Test
  void aLoopSeesTheWholeRequest() {
    try (Session session = Fixture.MODEL.session()) {
      List<EventKind> kinds = new ArrayList<>();
      StringBuilder thinking = new StringBuilder();
      StringBuilder answer = new StringBuilder();
      StringBuilder steps = new StringBuilder();
      for (Event event : session.ask(Fixture.QUESTION, Fixture.greedy().build())) {
        kinds.add(event.kind());
        if (event.kind() == EventKind.TOKEN) {
          (event.channel() == Channel.THINKING ? thinking : answer).append(event.text());
          assertTrue(event.logprob() <= 0 && event.entropy() >= 0, event.toString());
          assertEquals(0, event.rank()); // greedy
        } else if (event.kind() == EventKind.STEP_END) {
          assertEquals(event.text(), session.step(event.step()).text());
          steps.append(event.text());
        } else if (event.kind() == EventKind.THINK_END) {
          assertEquals(ThinkEndReason.MODEL, event.thinkEndReason());
        } else if (event.kind() == EventKind.DONE) {
          assertEquals(DoneReason.END, event.doneReason());
          assertEquals("156", event.text());
          assertEquals(Status.OK, event.status());
          assertEquals(NoticeReason.NONE, event.noticeReason());
        }
      }
      assertEquals(EventKind.DONE, kinds.get(kinds.size() - 1));
      assertTrue(kinds.contains(EventKind.THINK_BEGIN) && kinds.contains(EventKind.STEP_BEGIN));
      assertEquals(thinking.toString(), session.thinking());
      assertEquals(thinking.toString(), steps.toString()); // steps tile the thinking
      assertEquals(answer.toString(), session.answerText());
      assertEquals("156", session.answer().text());
      assertEquals(session.stepCount(), session.steps().size());
      Step step = session.steps().get(0);
      assertEquals(0, step.index());
      assertEquals(-1, step.parent());
      assertTrue(step.confidence() > 0 && step.confidence() <= 1);
      assertEquals(Math.exp(step.meanLogprob()), step.confidence(), 1e-5);
      assertTrue(step.end() > step.begin() && step.endSeconds() >= step.beginSeconds());
      assertFalse(step.discarded() || step.forced() || step.open());
      Usage usage = session.usage();
      long own = usage.promptTokens() + usage.thinkingTokens() + usage.answerTokens();
      assertTrue(own <= session.position() && own > session.position() - 8); // tags aside
      assertTrue(usage.totalSeconds() >= usage.thinkingSeconds() && usage.passes() > 0);
      assertFalse(session.running());
      Iterator<Event> none = session.iterator();
      assertFalse(none.hasNext());
      assertThrows(NoSuchElementException.class, none::next);
      assertEquals(
          Status.STATE, assertThrows(StateException.class, session::next).status());
    }
  }

  @Test
  void aStreamIsTheSameEvents() {
    try (Session session = Fixture.MODEL.session();
        Session other = Fixture.MODEL.session()) {
      GenerateOptions options = Fixture.greedy().build();
      session.ask(Fixture.QUESTION, options);
      String text;
      try (Stream<Event> events = session.stream()) {
        text =
            events
                .filter(event -> event.kind() == EventKind.TOKEN)
                .map(Event::text)
                .collect(Collectors.joining());
      }
      other.ask(Fixture.QUESTION, options).run();
      assertEquals(other.thinking() + other.answerText(), text);
      // Closing one that is not read to its end cancels the request.
      session.ask(Fixture.QUESTION, Fixture.endless());
      try (Stream<Event> events = session.stream()) {
        assertEquals(3, events.limit(3).count());
      }
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
      // But not another request.
      Stream<Event> old = session.ask(Fixture.QUESTION, Fixture.endless()).stream();
      session.ask(Fixture.QUESTION, options);
      old.close();
      assertEquals(DoneReason.END, Fixture.last(session).doneReason());
    }
  }

  @Test
  void everyOptionArrives() {
    GenerateOptions options =
        GenerateOptions.builder()
            .maxTokens(33)
            .seed(-2)
            .branch(5)
            .temperature(0.5f)
            .topP(0.75f)
            .minP(0.125f)
            .repetitionPenalty(1.5f)
            .presencePenalty(0.25f)
            .frequencyPenalty(0.375f)
            .topK(7)
            .penaltyLastN(9)
            .samplingOrder(SamplingOrder.LLAMA_CPP)
            .logitBias(Map.of(5, -2.5f, 6, 1f))
            .stop("\uD83D\uDE00", "a\0b")
            .thinking(ThinkingMode.ON)
            .thinkBudgetSoft(11)
            .thinkBudgetHard(12)
            .thinkMinimum(2)
            .answerReserve(13)
            .continuation("Hm\u00E9")
            .templateArguments("{\"a\": \"\u00E9\"}")
            .traceExperts(true)
            .tracePrompt(true)
            .alternatives(4)
            .release(Release.STEP)
            .waitMs(1234)
            .excludeFirstToken(true)
            .build();
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, options);
      GenerateOptions used = session.options();
      assertEquals(33, used.maxTokens());
      assertEquals(-2, used.seed());
      assertEquals(5, used.branch());
      assertEquals(0.5f, used.temperature());
      assertEquals(0.75f, used.topP());
      assertEquals(0.125f, used.minP());
      assertEquals(1.5f, used.repetitionPenalty());
      assertEquals(0.25f, used.presencePenalty());
      assertEquals(0.375f, used.frequencyPenalty());
      assertEquals(7, used.topK());
      assertEquals(9, used.penaltyLastN());
      assertEquals(SamplingOrder.LLAMA_CPP, used.samplingOrder());
      assertEquals(options.logitBias(), used.logitBias());
      assertEquals(List.of("\uD83D\uDE00", "a\0b"), used.stop());
      assertEquals(ThinkingMode.ON, used.thinking());
      assertEquals(11, used.thinkBudgetSoft());
      assertEquals(12, used.thinkBudgetHard());
      assertEquals(2, used.thinkMinimum());
      assertEquals(13, used.answerReserve());
      assertEquals("Hm\u00E9", used.continuation());
      assertEquals("{\"a\": \"\u00E9\"}", used.templateArguments());
      assertTrue(used.traceExperts() && used.tracePrompt());
      assertEquals(4, used.alternatives());
      assertEquals(Release.STEP, used.release());
      assertEquals(1234, used.waitMs());
      // What was built once is the beginning of the next.
      GenerateOptions more = options.toBuilder().seed(3).build();
      assertEquals(3, more.seed());
      assertEquals(33, more.maxTokens());
      assertEquals(options.logitBias(), more.logitBias());
      for (Event event : session) {
        if (event.kind() == EventKind.TOKEN && event.source() == TokenSource.SAMPLED) {
          assertEquals(4, event.alternatives().size());
          assertTrue(
              event.alternatives().get(0).logprob() >= event.alternatives().get(3).logprob());
          assertFalse(event.experts().isEmpty());
        }
      }
      ModelInfo info = Fixture.MODEL.info();
      int[] counts = session.stepExperts(0);
      assertEquals(info.layers() * info.experts(), counts.length);
      assertEquals(info.vocabulary(), session.logits().length);
    }
  }

  @Test
  void theSameSeedGivesTheSameText() {
    try (Session a = Fixture.MODEL.session();
        Session b = Fixture.MODEL.session()) {
      GenerateOptions warm =
          GenerateOptions.builder().temperature(3).seed(4).maxTokens(60).build();
      a.ask(Fixture.QUESTION, warm).run();
      b.ask(Fixture.QUESTION, warm).run();
      assertEquals(a.thinking() + a.answerText(), b.thinking() + b.answerText());
      b.ask(Fixture.QUESTION, warm.toBuilder().seed(5).build()).run();
      assertFalse((a.thinking() + a.answerText()).equals(b.thinking() + b.answerText()));
    }
  }

  @Test
  void tokensAreRecorded() {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      List<Token> tokens = session.tokens();
      assertEquals(session.position(), tokens.size());
      assertEquals(TokenSource.PROMPT, tokens.get(0).source());
      assertEquals(-1, tokens.get(0).rank());
      assertTrue(Float.isNaN(tokens.get(0).logprob()));
      String answer =
          tokens.stream()
              .filter(token -> token.channel() == Channel.ANSWER)
              .map(Token::text)
              .collect(Collectors.joining());
      assertTrue(answer.endsWith(session.answerText()), answer); // the template may strip its head
      for (Token token : tokens) {
        if (token.channel() == Channel.ANSWER) {
          assertEquals(
              new String(Fixture.MODEL.tokenText(token.token()), StandardCharsets.UTF_8),
              token.text());
        }
      }
    }
  }

  @Test
  void aConversationReusesItsPrefix() {
    List<Message> talk = new ArrayList<>();
    talk.add(Message.system("Be brief."));
    talk.add(Message.user("What is 2 * 3?"));
    GenerateOptions options = Fixture.greedy().maxTokens(60).build();
    try (Session session = Fixture.MODEL.session()) {
      String answer = session.prompt(talk, options).run();
      talk.add(Message.assistant(answer, session.thinking()));
      talk.add(Message.user("And 3 * 3?"));
      session.prompt(talk, options).run();
      assertTrue(session.usage().cachedTokens() > 0);
      session.promptText("The answer is", options, TokenizeFlag.BOS).run();
      assertTrue(session.position() > 0);
    }
  }

  @Test
  void theModelTellsWhatItIs() {
    ModelInfo info = Fixture.MODEL.info();
    assertEquals("deepseek_v3", info.architecture());
    assertEquals("Petit (deepseek_v3, Q8_0)", info.toString());
    assertEquals(Fixture.MODEL.tensors().size(), info.tensors());
    TensorInfo tensor = Fixture.MODEL.tensor(0);
    assertFalse(tensor.name().isEmpty() || tensor.shape().isEmpty());
    assertTrue(tensor.bytes() > 0);
    assertTrue(Fixture.MODEL.plan().contains("cpu"));
    assertTrue(Fixture.MODEL.plan(PlanFormat.JSON, 128, 2).startsWith("{"));
    assertEquals("cpu", Library.devices().get(0).name());
    assertEquals(DeviceKind.CPU, Library.devices().get(0).kind());
    assertEquals("0.1.0", Library.version());
    assertEquals(NativeLibrary.VERSION_NUMBER, Library.versionNumber());
    assertEquals("RSN_ERR_KV", Library.statusName(Status.KV.number()));
    assertEquals("RSN_ERR_?", Library.statusName(12345));
    assertEquals(Status.UNKNOWN, Status.of(12345));
    for (Status status : Status.values()) {
      if (status != Status.UNKNOWN && status != Status.OK) {
        assertEquals("RSN_ERR_" + status.name(), Library.statusName(status.number()));
        assertEquals(status, RaisonException.of(status.number(), "x").status());
      }
    }
  }

  @Test
  void enumeratorsAreThoseOfTheHeader() throws Exception {
    String header =
        java.nio.file.Files.readString(Fixture.root().resolve("include/raison/raison.h"));
    Map<String, Enum<?>[]> enums =
        Map.ofEntries(
            Map.entry("EVENT", EventKind.values()),
            Map.entry("CHANNEL", Channel.values()),
            Map.entry("SOURCE", TokenSource.values()),
            Map.entry("THINK_END", ThinkEndReason.values()),
            Map.entry("DONE", DoneReason.values()),
            Map.entry("NOTICE", NoticeReason.values()),
            Map.entry("MARKER", StepMarker.values()),
            Map.entry("ROLE", Role.values()),
            Map.entry("THINKING", ThinkingMode.values()),
            Map.entry("RELEASE", Release.values()),
            Map.entry("ORDER", SamplingOrder.values()),
            Map.entry("DEVICE", DeviceKind.values()),
            Map.entry("LOAD", LoadMode.values()),
            Map.entry("FORMAT", PlanFormat.values()),
            Map.entry("KV", KvType.values()));
    for (Map.Entry<String, Enum<?>[]> entry : enums.entrySet()) {
      int found = 0;
      var pattern =
          java.util.regex.Pattern.compile("\\bRSN_" + entry.getKey() + "_([A-Z0-9_]+) = (\\d+)");
      var matcher = pattern.matcher(header);
      while (matcher.find()) {
        ++found;
        assertEquals(
            matcher.group(1), entry.getValue()[Integer.parseInt(matcher.group(2))].name());
      }
      long named =
          java.util.Arrays.stream(entry.getValue())
              .filter(value -> !value.name().equals("UNKNOWN"))
              .filter(value -> !(value.name().equals("NONE") && value != EventKind.NONE))
              .count();
      assertEquals(named, found, entry.getKey());
    }
    assertEquals(EventKind.UNKNOWN, EventKind.of(99));
    assertEquals(EventKind.UNKNOWN, EventKind.of(-1));
    assertEquals(EventKind.UNKNOWN, EventKind.of(EventKind.UNKNOWN.ordinal()));
  }

  @Test
  void manySessionsStepTogether() {
    List<Session> sessions = new ArrayList<>();
    try {
      for (String question : List.of("What is 12 * 13?", "What is 2 * 3?", "What is 7 * 8?")) {
        sessions.add(Fixture.MODEL.session().ask(question, Fixture.greedy().build()));
      }
      int done = 0;
      for (Sessions.Stepped stepped : Sessions.stepAll(sessions)) {
        assertTrue(sessions.contains(stepped.session()));
        done += stepped.event().kind() == EventKind.DONE ? 1 : 0;
      }
      assertEquals(3, done);
      List<String> answers = sessions.stream().map(session -> session.answer().text()).toList();
      assertEquals(List.of("156", "6", "56"), answers);
      assertTrue(Sessions.next(sessions).isEmpty());
      List<Session> twice = List.of(sessions.get(0), sessions.get(0));
      assertThrows(ArgumentException.class, () -> Sessions.next(twice));
      sessions.get(1).close();
      assertThrows(StateException.class, () -> Sessions.next(sessions));
    } finally {
      sessions.forEach(Session::close);
    }
  }

  @Test
  void numbersOutOfRangeAreRefused() {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      for (Runnable call :
          List.<Runnable>of(
              () -> session.step(-1),
              () -> session.step(99),
              () -> session.token(-1),
              () -> session.token(1L << 40),
              () -> Fixture.MODEL.tensor(-1),
              () -> Fixture.MODEL.tensor(1L << 40),
              () -> Fixture.MODEL.session(-1).close(),
              () -> Fixture.MODEL.tokenText(Integer.MIN_VALUE),
              () -> Fixture.MODEL.detokenize(1, -5),
              () -> new Model("a\0b").close(),
              () -> session.ask("x", Fixture.greedy().alternatives(1000).build()),
              () -> session.ask("x", Fixture.greedy().topP(7).build()),
              () -> session.ask("x", Fixture.greedy().maxTokens(-3).build()),
              () -> session.ask("x", Fixture.greedy().templateArguments("[").build()),
              () -> session.ask("x", Fixture.greedy().logitBias(Map.of(1 << 30, 1f)).build()))) {
        RaisonException error = assertThrows(RaisonException.class, call::run);
        assertTrue(error.status() != Status.INTERNAL, error.toString());
        assertFalse(error.getMessage().isEmpty());
        assertTrue(error.getStackTrace().length > 0);
      }
      for (Executable call :
          List.<Executable>of(
              () -> session.step(-1),
              () -> session.stepExperts(-1),
              () -> Fixture.MODEL.tensor(-1),
              () -> Fixture.MODEL.session(-1).close(),
              () -> Fixture.MODEL.plan(PlanFormat.TEXT, -1, 1),
              () -> Fixture.MODEL.plan(PlanFormat.TEXT, 0, -1),
              () -> new Model("", ModelOptions.builder().contextLength(-1).build()).close(),
              () -> new Model("", ModelOptions.builder().kvBytes(-1).build()).close())) {
        String sentence = assertThrows(ArgumentException.class, call).getMessage();
        assertTrue(sentence.endsWith(" is -1: wanted 0 or more"), sentence);
      }
      assertEquals("156", session.answer().text());
    }
  }
}
