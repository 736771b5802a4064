package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Closing: in any order, twice, under a running call, by the collector. */
@Timeout(120)
class LifetimeTest {
  @Test
  void useAfterCloseIsAnError() {
    Session session = Fixture.MODEL.session();
    session.ask(Fixture.QUESTION);
    session.close();
    session.close();
    session.cancel(); // nothing happens
    for (Runnable call :
        List.<Runnable>of(
            () -> session.ask("x"),
            session::next,
            session::running,
            session::position,
            session::steps,
            session::usage,
            session::answer,
            session::fork,
            session::stop,
            () -> session.inject("x"),
            () -> session.prompt(List.of(Message.user("x"))),
            () -> session.iterator().hasNext())) {
      StateException error = assertThrows(StateException.class, call::run);
      assertEquals("the session is closed", error.getMessage());
      assertEquals(Status.STATE, error.status());
    }
    Model model = new Model();
    model.close();
    model.close();
    assertEquals(
        "the model is closed",
        assertThrows(StateException.class, model::session).getMessage());
    assertThrows(StateException.class, () -> model.tokenize("x"));
    assertThrows(StateException.class, model::info);
  }

  @Test
  void sessionsOutliveTheirModel() {
    Model model = new Model();
    Session session = model.session();
    model.close();
    session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
    assertEquals("156", session.answer().text());
    Session fork = session.fork();
    session.close();
    assertTrue(fork.position() > 0);
    fork.close();
  }

  @Test
  void closingUnderACallCancelsAndFreesAfterIt() throws Exception {
    for (int round = 0; round < 60; ++round) {
      Session session = Fixture.MODEL.session();
      // In turn: in the middle of a prompt, and between tokens.
      if (round % 2 == 0) {
        session.promptText("1 2 3 4 5 6 7 8 9 ".repeat(100), waiting(), TokenizeFlag.BOS);
      } else {
        session.ask(Fixture.QUESTION, waiting());
      }
      AtomicBoolean closed = new AtomicBoolean();
      ExecutorService threads = Executors.newSingleThreadExecutor();
      Future<Throwable> reader =
          threads.submit(
              () -> {
                try {
                  session.forEach(event -> {});
                  return null; // it saw DONE, CANCELLED
                } catch (StateException error) {
                  return closed.get() ? null : error;
                } catch (Throwable error) {
                  return error;
                }
              });
      Thread.sleep(round % 10);
      closed.set(true);
      session.close();
      assertNull(reader.get(10, TimeUnit.SECONDS));
      threads.shutdown();
    }
    long used = Fixture.MODEL.info().kvBytesUsed();
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      assertEquals("156", session.answer().text());
    }
    assertTrue(used <= Fixture.MODEL.info().kvBytesUsed() + 1); // nothing was left behind
  }

  private static GenerateOptions waiting() {
    return Fixture.endless().toBuilder().waitMs(5000).build();
  }

  @Test
  void manyThreadsCloseWhatManyUse() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(8);
    AtomicInteger closedCalls = new AtomicInteger();
    List<Future<?>> tasks = new ArrayList<>();
    for (int i = 0; i < 40; ++i) {
      Model model =
          new Model("", ModelOptions.builder().repack(false).threads(1).build());
      Session session = model.session().ask("What is 2 * 3?", Fixture.endless());
      for (int t = 0; t < 3; ++t) {
        Callable<Void> use =
            () -> {
              for (int n = 0; n < 1000; ++n) {
                try {
                  session.next();
                  session.steps();
                  model.tokenize("What is 12 * 13?");
                } catch (StateException error) {
                  if (error.status() != Status.BUSY) {
                    closedCalls.incrementAndGet();
                    break;
                  }
                }
              }
              return null;
            };
        tasks.add(threads.submit(use));
      }
      Thread.sleep(2);
      tasks.add(threads.submit(model::close));
      tasks.add(threads.submit(session::close));
      tasks.add(threads.submit(session::close));
    }
    for (Future<?> task : tasks) {
      task.get(60, TimeUnit.SECONDS);
    }
    threads.shutdown();
    assertTrue(closedCalls.get() > 0);
  }

  @Test
  void eightSessionsOnEightThreadsBesideACollectorStorm() throws Exception {
    AtomicBoolean over = new AtomicBoolean();
    Thread storm =
        new Thread(
            () -> {
              while (!over.get()) {
                System.gc();
                new ArrayList<>(List.of(new byte[1 << 20]));
              }
            });
    storm.start();
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try {
      List<Future<String>> answers = new ArrayList<>();
      for (int i = 0; i < 8; ++i) {
        answers.add(
            threads.submit(
                () -> {
                  // Nothing but the call itself holds session and model.
                  String text =
                      new Model()
                          .session()
                          .ask(Fixture.QUESTION, Fixture.greedy().alternatives(8).build())
                          .run();
                  Model.fromBytes(tiny()).close();
                  return text;
                }));
      }
      for (Future<String> answer : answers) {
        assertTrue(answer.get(60, TimeUnit.SECONDS).contains("156"));
      }
    } finally {
      over.set(true);
      storm.join();
      threads.shutdown();
    }
  }

  private static byte[] tiny() {
    try {
      return java.nio.file.Files.readAllBytes(
          Fixture.root().resolve("samples/petit/petit-q8_0.gguf"));
    } catch (java.io.IOException error) {
      throw new AssertionError(error);
    }
  }

  @Test
  void theCollectorFreesWhatNobodyClosed() throws Exception {
    try (Model model = new Model("", ModelOptions.builder().threads(1).build())) {
      long before = model.info().kvBytesUsed();
      List<Session> sessions = new ArrayList<>(); // held until they were counted
      for (int i = 0; i < 10; ++i) {
        sessions.add(model.session().ask(Fixture.QUESTION, Fixture.greedy().maxTokens(2).build()));
        sessions.get(i).run();
      }
      assertTrue(model.info().kvBytesUsed() > before);
      sessions.clear();
      for (int i = 0; i < 200 && model.info().kvBytesUsed() > before; ++i) {
        System.gc();
        Thread.sleep(20);
      }
      assertEquals(before, model.info().kvBytesUsed());
    }
  }

  @Test
  void eightSessionsOnEightThreadsOverOneModel() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(8);
    try (Session alone = Fixture.MODEL.session()) {
      GenerateOptions options =
          GenerateOptions.builder().temperature(1).seed(11).maxTokens(60).build();
      alone.ask(Fixture.QUESTION, options).run();
      String expected = alone.thinking() + alone.answerText();
      List<Future<String>> texts = new ArrayList<>();
      for (int i = 0; i < 8; ++i) {
        texts.add(
            threads.submit(
                () -> {
                  try (Session session = Fixture.MODEL.session()) {
                    session.ask(Fixture.QUESTION, options).run();
                    return session.thinking() + session.answerText();
                  }
                }));
      }
      for (Future<String> text : texts) {
        assertEquals(expected, text.get(60, TimeUnit.SECONDS));
      }
    } finally {
      threads.shutdown();
    }
  }

  @Test
  void closingOneOfManyThatStepTogether() throws Exception {
    for (int round = 0; round < 20; ++round) {
      List<Session> sessions = new ArrayList<>();
      for (int i = 0; i < 3; ++i) {
        sessions.add(Fixture.MODEL.session().ask(Fixture.QUESTION, waiting()));
      }
      ExecutorService threads = Executors.newSingleThreadExecutor();
      Future<Void> reader =
          threads.submit(
              () -> {
                Sessions.stepAll(sessions).forEach(stepped -> {});
                return null;
              });
      Thread.sleep(round);
      sessions.get(round % 3).close();
      ExecutionException error =
          assertThrows(ExecutionException.class, () -> reader.get(10, TimeUnit.SECONDS));
      assertEquals("the session is closed", error.getCause().getMessage());
      threads.shutdown();
      sessions.forEach(Session::close);
    }
  }

  @Test
  void aListenerMayCloseItsSession() {
    Session session = Fixture.MODEL.session().ask(Fixture.QUESTION, Fixture.endless());
    StateException error =
        assertThrows(
            StateException.class,
            () ->
                session.run(
                    (same, event) -> {
                      same.close();
                      return null;
                    }));
    assertEquals("the session is closed", error.getMessage());
  }
}
