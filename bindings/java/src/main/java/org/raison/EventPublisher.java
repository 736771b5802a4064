package org.raison;

import java.util.Objects;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The events of one request for one subscriber. Nothing is computed that was not requested; one
 * task at a time works for the subscription, so that the subscriber sees its signals in order.
 */
final class EventPublisher implements Flow.Publisher<Event> {
  static final Executor THREADS =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "raison-publisher");
            thread.setDaemon(true);
            return thread;
          });

  private final Session session;
  private final Executor executor;
  private final int request;
  private final AtomicBoolean taken = new AtomicBoolean();

  EventPublisher(Session session, Executor executor) {
    this.session = session;
    this.executor = executor;
    request = session.request();
  }

  @Override
  public void subscribe(Flow.Subscriber<? super Event> subscriber) {
    Objects.requireNonNull(subscriber, "subscriber");
    if (!taken.compareAndSet(false, true)) {
      subscriber.onSubscribe(new Nothing());
      subscriber.onError(
          new StateException(Status.STATE, "the events of a request have one subscriber"));
      return;
    }
    Subscription subscription = new Subscription(subscriber);
    subscriber.onSubscribe(subscription);
    subscription.start();
  }

  /** Of a subscriber that is refused. */
  private static final class Nothing implements Flow.Subscription {
    @Override
    public void request(long count) {}

    @Override
    public void cancel() {}
  }

  private final class Subscription implements Flow.Subscription {
    private final Flow.Subscriber<? super Event> subscriber;
    private long demand;
    private boolean started; // onSubscribe has returned
    private boolean working; // a task is there
    private boolean over;
    private Throwable refused; // a demand that is none

    Subscription(Flow.Subscriber<? super Event> subscriber) {
      this.subscriber = subscriber;
    }

    @Override
    public void request(long count) {
      synchronized (this) {
        if (count <= 0) {
          refused = new IllegalArgumentException("request(" + count + "): wanted 1 or more");
        } else {
          demand = demand + count < 0 ? Long.MAX_VALUE : demand + count;
        }
      }
      work();
    }

    @Override
    public void cancel() {
      synchronized (this) {
        if (over) {
          return;
        }
        over = true;
      }
      session.cancelRequest(request);
    }

    void start() {
      synchronized (this) {
        started = true;
      }
      work();
    }

    private void work() {
      synchronized (this) {
        if (!started || working || over) {
          return;
        }
        working = true;
      }
      try {
        executor.execute(this::serve);
      } catch (RuntimeException error) { // the executor refuses
        fail(error);
      }
    }

    /** What is to be done next; ends the task when there is nothing. */
    private synchronized boolean more() {
      if (over || (demand == 0 && refused == null)) {
        working = false;
        return false;
      }
      return true;
    }

    private void serve() {
      try {
        while (more()) {
          if (refused != null) {
            throw refused;
          }
          if (!session.running()) {
            complete();
            return;
          }
          Event event = session.next();
          synchronized (this) {
            --demand;
          }
          if (isOver()) {
            return;
          }
          subscriber.onNext(event);
          if (isOver()) {
            return; // cancelled: the session is its owner's again
          }
          if (!session.running()) {
            complete();
            return;
          }
        }
      } catch (Throwable error) {
        fail(error);
      }
    }

    private synchronized boolean isOver() {
      return over;
    }

    private boolean end() {
      synchronized (this) {
        boolean first = !over;
        over = true;
        working = false;
        return first;
      }
    }

    private void complete() {
      if (end()) {
        subscriber.onComplete();
      }
    }

    private void fail(Throwable error) {
      if (end()) {
        session.cancelRequest(request);
        subscriber.onError(error);
      }
    }
  }
}
