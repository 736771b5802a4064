package org.raison;

import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * Interrupts of threads that are inside the library, which knows nothing of them: a call that may
 * take long is watched by a daemon thread, which ends the request.
 */
final class Interrupts {
  private static final long POLL_MILLISECONDS = 50;

  private Interrupts() {}

  /** Begun with the first long call, and gone a while after the last. */
  private static final class Watcher {
    static final ScheduledThreadPoolExecutor POOL = make();

    private static ScheduledThreadPoolExecutor make() {
      ScheduledThreadPoolExecutor pool =
          new ScheduledThreadPoolExecutor(
              1,
              task -> {
                Thread thread = new Thread(task, "raison-interrupts");
                thread.setDaemon(true);
                return thread;
              });
      pool.setRemoveOnCancelPolicy(true);
      pool.setKeepAliveTime(1, TimeUnit.SECONDS);
      pool.allowCoreThreadTimeOut(true);
      return pool;
    }
  }

  /** Calls {@code cancel} on another thread once this one is interrupted during {@code call}. */
  static <R> R watched(Supplier<R> call, Runnable cancel) {
    Thread caller = Thread.currentThread();
    Future<?> watch =
        Watcher.POOL.scheduleWithFixedDelay(
            () -> {
              if (caller.isInterrupted()) {
                cancel.run();
              }
            },
            POLL_MILLISECONDS,
            POLL_MILLISECONDS,
            TimeUnit.MILLISECONDS);
    try {
      return call.get();
    } finally {
      watch.cancel(false);
    }
  }

  /** Ends the work of an interrupted thread; its interrupt status stays. */
  static void check(Runnable cancel) {
    if (Thread.currentThread().isInterrupted()) {
      cancel.run();
      throw new CancelledException("the thread was interrupted, so its request is cancelled");
    }
  }
}
