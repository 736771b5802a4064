package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What changes a running request: listeners, verbs, other threads, interrupts. */
class SteeringTest {
  @Test
  void aListenerEndsTheThinking() {
    try (Session session = Fixture.MODEL.session()) {
      AtomicReference<ThinkEndReason> reason = new AtomicReference<>();
      AtomicInteger tokens = new AtomicInteger();
      Thread caller = Thread.currentThread();
      String answer =
          session
              .ask(Fixture.QUESTION, Fixture.greedy().build())
              .run(
                  (same, event) -> {
                    assertSame(session, same);
                    assertSame(caller, Thread.currentThread());
                    if (event.kind() == EventKind.THINK_END) {
                      reason.set(event.thinkEndReason());
                    }
                    return event.kind() == EventKind.TOKEN && tokens.incrementAndGet() == 3
                        ? Verdict.END_THINKING
                        : null;
                  });
      assertEquals(ThinkEndReason.CALLER, reason.get());
      assertEquals(session.answerText(), answer);
      // Also where the thinking had begun before run(), and outside of it nothing happens.
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      while (session.next().kind() != EventKind.TOKEN) {}
      List<Event> seen = new ArrayList<>();
      session.run(
          (same, event) -> {
            seen.add(event);
            return Verdict.END_THINKING;
          });
      assertTrue(seen.stream().anyMatch(e -> e.thinkEndReason() == ThinkEndReason.CALLER));
      assertEquals(DoneReason.END, seen.get(seen.size() - 1).doneReason());
    }
  }

  @Test
  void aListenerStops() {
    try (Session session = Fixture.MODEL.session()) {
      AtomicReference<DoneReason> reason = new AtomicReference<>();
      session
          .ask(Fixture.QUESTION, Fixture.endless())
          .run(
              (same, event) -> {
                reason.set(event.doneReason());
                return event.kind() == EventKind.TOKEN ? Verdict.STOP : Verdict.CONTINUE;
              });
      assertEquals(DoneReason.STOPPED, reason.get());
      List<String> steps = new ArrayList<>();
      StringBuilder text = new StringBuilder();
      session
          .ask(Fixture.QUESTION, Fixture.greedy().build())
          .run(
              TraceListener.onSteps(step -> steps.add(step.text()))
                  .and(TraceListener.onTokens((channel, piece) -> text.append(piece))));
      assertEquals(session.steps().stream().map(Step::text).toList(), steps);
      assertTrue(text.toString().startsWith(session.thinking()));
      // The stronger verdict of two holds, whichever comes first.
      TraceListener stops = (same, event) -> Verdict.STOP;
      TraceListener goesOn = (same, event) -> null;
      assertEquals(Verdict.STOP, stops.and(goesOn).onEvent(session, null));
      assertEquals(Verdict.STOP, goesOn.and(stops).onEvent(session, null));
    }
  }

  @Test
  void aListenersExceptionComesOutUnchanged() {
    try (Session session = Fixture.MODEL.session()) {
      IllegalStateException own = new IllegalStateException("mine");
      session.ask(Fixture.QUESTION, Fixture.endless());
      TraceListener throwing =
          (same, event) -> {
            if (event.kind() == EventKind.TOKEN) {
              throw own;
            }
            return null;
          };
      assertSame(own, assertThrows(IllegalStateException.class, () -> session.run(throwing)));
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
      session.ask(Fixture.QUESTION, Fixture.greedy().build()).run();
      assertEquals("156", session.answer().text());
    }
  }

  @Test
  void rewindingOnDoneGoesOn() {
    try (Session session = Fixture.MODEL.session()) {
      AtomicInteger done = new AtomicInteger();
      session
          .ask(Fixture.QUESTION, Fixture.greedy().build())
          .run(
              (same, event) -> {
                if (event.kind() == EventKind.DONE && done.incrementAndGet() == 1) {
                  same.rewind(same.step(0).rewind());
                }
                return null;
              });
      assertEquals(2, done.get());
      assertTrue(session.steps().get(0).discarded());
      assertTrue(session.usage().discardedTokens() > 0);
      long id = session.steps().get(session.stepCount() - 1).id();
      assertNotEquals(session.steps().get(0).id(), id);
      Fixture.events(session);
      GenerateOptions other = GenerateOptions.builder().temperature(0.8f).build();
      session.rewind(session.step(session.stepCount() - 1).rewind(), other);
      assertEquals(0.8f, session.options().temperature());
      session.stop();
      assertEquals(DoneReason.STOPPED, Fixture.last(session).doneReason());
      assertThrows(ArgumentException.class, () -> session.rewind(-1));
      assertThrows(ArgumentException.class, () -> session.rewind(1 << 30));
    }
  }

  @Test
  void aForkIsASessionOfItsOwn() {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      while (session.next().kind() != EventKind.TOKEN) {}
      try (Session fork = session.fork();
          Session warm = session.fork(GenerateOptions.builder().temperature(2).build())) {
        session.run();
        session.close();
        assertEquals("156", answer(fork));
        Fixture.events(warm);
        assertEquals(2f, warm.options().temperature());
      }
    }
  }

  private static String answer(Session session) {
    session.run();
    return session.answer().text();
  }

  @Test
  void steeringNeedsARequest() {
    try (Session session = Fixture.MODEL.session()) {
      for (Runnable verb :
          List.<Runnable>of(
              session::endThinking,
              session::stop,
              () -> session.inject("x"),
              () -> session.rewind(0),
              session::options)) {
        assertEquals(Status.STATE, assertThrows(StateException.class, verb::run).status());
      }
      session.cancel(); // nothing happens
    }
  }

  @Test
  void anotherThreadCancels() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.endless());
      Thread other =
          new Thread(
              () -> {
                sleep(50);
                session.cancel();
              });
      other.start();
      long begin = System.nanoTime();
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
      assertTrue(System.nanoTime() - begin < 2_000_000_000L);
      other.join();
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      assertEquals("156", answer(session));
    }
  }

  @Test
  void twoThreadsAtOnceAreRefusedAndHarmless() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      // A prompt that takes a while in one call.
      session.promptText("1 2 3 4 5 6 7 8 9 ".repeat(100), longWait(), TokenizeFlag.BOS);
      CountDownLatch begun = new CountDownLatch(1);
      AtomicInteger busy = new AtomicInteger();
      AtomicReference<Throwable> odd = new AtomicReference<>();
      Thread other =
          new Thread(
              () -> {
                begun.countDown();
                for (int i = 0; i < 2000 && session.running(); ++i) {
                  try {
                    session.position();
                    session.next();
                  } catch (StateException error) {
                    if (error.status() == Status.BUSY) {
                      busy.incrementAndGet();
                    }
                  } catch (Throwable error) {
                    odd.set(error);
                  }
                }
              });
      other.setUncaughtExceptionHandler(
          (thread, error) -> {
            if (!(error instanceof StateException)) {
              odd.set(error);
            }
          });
      other.start();
      begun.await();
      for (int i = 0; i < 200; ++i) {
        try {
          session.next();
        } catch (StateException error) {
          busy.incrementAndGet();
        }
      }
      session.cancel();
      other.join();
      assertEquals(null, odd.get());
      assertTrue(busy.get() > 0);
    }
  }

  private static GenerateOptions longWait() {
    return Fixture.endless().toBuilder().waitMs(60_000).build();
  }

  /** 0: seen between calls. 60,000: seen inside one, by the watcher. */
  @ParameterizedTest
  @ValueSource(ints = {0, 100, 60_000})
  void anInterruptCancels(int waitMs) throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      GenerateOptions options = Fixture.endless().toBuilder().waitMs(waitMs).build();
      session.promptText("1 2 3 4 5 6 7 8 9 ".repeat(100), options, TokenizeFlag.BOS);
      Thread reader = Thread.currentThread();
      Thread other =
          new Thread(
              () -> {
                sleep(20);
                reader.interrupt();
              });
      other.start();
      assertThrows(CancelledException.class, () -> session.forEach(event -> {}));
      assertTrue(Thread.currentThread().isInterrupted()); // it stays set
      assertThrows(CancelledException.class, session::next);
      assertTrue(Thread.interrupted());
      other.join();
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
      assertFalse(session.running());
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      assertEquals("156", answer(session));
      // Many sessions together.
      session.ask(Fixture.QUESTION, options);
      List<Session> all = List.of(session);
      Thread.currentThread().interrupt();
      assertThrows(CancelledException.class, () -> Sessions.next(all));
      assertTrue(Thread.interrupted());
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
    }
  }

  @Test
  void anInterruptWakesOneLongCall() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      AtomicInteger cancelled = new AtomicInteger();
      Thread reader = Thread.currentThread();
      Thread other =
          new Thread(
              () -> {
                sleep(30);
                reader.interrupt();
              });
      other.start();
      CountDownLatch woken = new CountDownLatch(1);
      Interrupts.watched(
          () -> {
            boolean interrupted = false;
            while (woken.getCount() > 0) { // as native code: blind to interrupts
              interrupted |= Thread.interrupted();
              if (interrupted) {
                Thread.currentThread().interrupt();
              }
              Thread.onSpinWait();
            }
            return null;
          },
          () -> {
            cancelled.incrementAndGet();
            woken.countDown();
          });
      assertTrue(Thread.interrupted());
      assertTrue(cancelled.get() > 0);
      other.join();
    }
  }

  private static void sleep(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException error) {
      throw new AssertionError(error);
    }
  }
}
