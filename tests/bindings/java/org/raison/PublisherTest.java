package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** The reactive face: demand, order, ends. */
class PublisherTest {
  private static class Collector implements Flow.Subscriber<Event> {
    final List<Event> events = new CopyOnWriteArrayList<>();
    final CountDownLatch over = new CountDownLatch(1);
    final AtomicInteger inside = new AtomicInteger();
    volatile Flow.Subscription subscription;
    volatile Throwable error;
    volatile boolean completed;

    @Override
    public void onSubscribe(Flow.Subscription given) {
      subscription = given;
    }

    @Override
    public void onNext(Event event) {
      assertEquals(1, inside.incrementAndGet());
      events.add(event);
      inside.decrementAndGet();
    }

    @Override
    public void onError(Throwable given) {
      error = given;
      over.countDown();
    }

    @Override
    public void onComplete() {
      completed = true;
      over.countDown();
    }

    void await() throws InterruptedException {
      assertTrue(over.await(30, TimeUnit.SECONDS));
    }
  }

  private static void until(java.util.function.BooleanSupplier condition)
      throws InterruptedException {
    for (int i = 0; i < 3000 && !condition.getAsBoolean(); ++i) {
      Thread.sleep(10);
    }
    assertTrue(condition.getAsBoolean());
  }

  @Test
  void nothingComesThatWasNotRequested() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      long position = session.position();
      Collector collector = new Collector();
      session.publisher().subscribe(collector);
      Thread.sleep(50);
      assertTrue(collector.events.isEmpty() && session.position() == position);
      collector.subscription.request(2);
      until(() -> collector.events.size() == 2);
      Thread.sleep(50);
      assertEquals(2, collector.events.size());
      collector.subscription.request(Long.MAX_VALUE);
      collector.subscription.request(Long.MAX_VALUE); // does not overflow
      collector.await();
      assertTrue(collector.completed);
      Event last = collector.events.get(collector.events.size() - 1);
      assertEquals(DoneReason.END, last.doneReason());
      assertEquals("156", last.text());
    }
  }

  @Test
  void cancellingEndsTheRequestAndSilence() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.endless());
      Collector collector =
          new Collector() {
            @Override
            public void onNext(Event event) {
              super.onNext(event);
              if (events.size() == 5) {
                subscription.cancel();
                subscription.cancel();
                subscription.request(1);
              }
            }
          };
      session.publisher().subscribe(collector);
      collector.subscription.request(Long.MAX_VALUE);
      until(() -> collector.events.size() >= 5);
      Thread.sleep(100);
      assertEquals(5, collector.events.size());
      assertEquals(1, collector.over.getCount());
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());
    }
  }

  /** As most libraries' own subscribers do it: the first demand in onSubscribe, then one by one. */
  private static final class OneByOne extends Collector {
    @Override
    public void onSubscribe(Flow.Subscription given) {
      super.onSubscribe(given);
      given.request(1);
    }

    @Override
    public void onNext(Event event) {
      super.onNext(event);
      subscription.request(1);
    }
  }

  @Test
  void oneByOneIsTheWholeRequest() throws Exception {
    try (Session session = Fixture.MODEL.session();
        Session other = Fixture.MODEL.session()) {
      GenerateOptions options = Fixture.greedy().build();
      List<Integer> tokens = tokens(Fixture.events(other.ask(Fixture.QUESTION, options)));
      // On threads of its own, and on the subscriber's, where request() comes from inside onNext().
      for (Executor executor : List.<Executor>of(EventPublisher.THREADS, Runnable::run)) {
        OneByOne subscriber = new OneByOne();
        session.ask(Fixture.QUESTION, options).publisher(executor).subscribe(subscriber);
        subscriber.await();
        assertTrue(subscriber.completed);
        assertEquals(tokens, tokens(subscriber.events));
      }
    }
  }

  private static List<Integer> tokens(List<Event> events) {
    return events.stream().map(Event::token).filter(token -> token >= 0).toList();
  }

  @Test
  void aCancelledSubscriptionLeavesTheSessionAlone() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.endless());
      AtomicReference<String> answer = new AtomicReference<>();
      Collector collector =
          new Collector() {
            @Override
            public void onNext(Event event) {
              super.onNext(event);
              subscription.cancel();
              // The session is the owner's again: another request, which the publisher must not touch.
              answer.set(session.ask(Fixture.QUESTION, Fixture.greedy().build()).run());
              session.ask(Fixture.QUESTION, Fixture.greedy().build());
            }
          };
      session.publisher(Runnable::run).subscribe(collector);
      collector.subscription.request(Long.MAX_VALUE);
      assertTrue(answer.get().contains("156"));
      assertEquals(1, collector.events.size());
      assertEquals(1, collector.over.getCount());
      assertEquals(DoneReason.END, Fixture.last(session).doneReason());
    }
  }

  @Test
  void thereIsOneSubscriber() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.greedy().build());
      Flow.Publisher<Event> publisher = session.publisher(Runnable::run); // the caller's thread
      Collector first = new Collector();
      Collector second = new Collector();
      publisher.subscribe(first);
      publisher.subscribe(second);
      second.await();
      assertInstanceOf(StateException.class, second.error);
      second.subscription.request(1);
      second.subscription.cancel();
      first.subscription.request(Long.MAX_VALUE);
      first.await();
      assertTrue(first.completed);
    }
  }

  @Test
  void errorsArriveOnce() throws Exception {
    try (Session session = Fixture.MODEL.session()) {
      session.ask(Fixture.QUESTION, Fixture.endless());
      Collector none = new Collector();
      session.publisher().subscribe(none);
      none.subscription.request(5);
      until(() -> none.events.size() == 5);
      none.subscription.request(-1);
      none.await();
      assertInstanceOf(IllegalArgumentException.class, none.error);
      assertEquals(DoneReason.CANCELLED, Fixture.last(session).doneReason());

      RuntimeException own = new RuntimeException("mine");
      session.ask(Fixture.QUESTION, Fixture.endless());
      Collector throwing =
          new Collector() {
            @Override
            public void onNext(Event event) {
              throw own;
            }
          };
      session.publisher().subscribe(throwing);
      throwing.subscription.request(9);
      throwing.await();
      assertSame(own, throwing.error);

      Collector refused = new Collector();
      session
          .publisher(
              task -> {
                throw new RejectedExecutionException("full");
              })
          .subscribe(refused);
      refused.subscription.request(1);
      refused.await();
      assertInstanceOf(RejectedExecutionException.class, refused.error);

      session.ask(Fixture.QUESTION, Fixture.endless());
      Collector closed = new Collector();
      session.publisher().subscribe(closed);
      closed.subscription.request(Long.MAX_VALUE);
      until(() -> closed.events.size() > 3);
      session.close();
      closed.await();
      assertTrue(closed.completed || closed.error instanceof StateException);
    }
  }
}
