package org.raison;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * One load of a model: the work runs in a thread of its own, while the caller's thread tells the
 * listener how far it is and watches for an interrupt.
 */
final class ModelLoading {
  private static final long POLL_MILLISECONDS = 50; // an interrupt wakes at once

  private final ModelOptions options;
  private final LibraryLog log;
  private final Function<NativeLoading, NativeModel> load;

  ModelLoading(
      ModelOptions options, LibraryLog log, Function<NativeLoading, NativeModel> load) {
    this.options = options;
    this.log = log;
    this.load = load;
  }

  NativeModel run() {
    byte[] record = options.record();
    NativeLoading loading = NativeObject.checked(() -> new NativeLoading(record, log.queue()));
    CompletableFuture<NativeModel> work = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try {
                work.complete(load.apply(loading));
              } catch (Throwable error) {
                work.completeExceptionally(error);
              }
            },
            "raison-load");
    thread.setDaemon(true);
    try {
      thread.start();
      return watch(loading, work);
    } finally {
      loading.delete();
    }
  }

  /** Returns or throws only after the work is over. */
  private NativeModel watch(NativeLoading loading, CompletableFuture<NativeModel> work) {
    NativeModel model = null;
    try {
      while (model == null) {
        try {
          model = work.get(POLL_MILLISECONDS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException goOn) {
          log.handOver();
        }
        tell(loading);
      }
      return model;
    } catch (ExecutionException error) {
      throw translated(error.getCause());
    } catch (InterruptedException error) {
      end(loading, work);
      Thread.currentThread().interrupt();
      throw new CancelledException("the thread was interrupted, so the load is cancelled");
    } catch (RuntimeException | Error error) { // the listener's, or its wish
      end(loading, work);
      throw error;
    }
  }

  private void tell(NativeLoading loading) {
    long total = loading.Total();
    if (options.progress() == null || total == 0) {
      return; // total is not known yet
    }
    if (!options.progress().onProgress(loading.Done(), total)) {
      throw new CancelledException("the progress listener ended the load");
    }
  }

  private static void end(NativeLoading loading, CompletableFuture<NativeModel> work) {
    loading.Cancel();
    work.handle(
            (model, error) -> {
              if (model != null) {
                model.delete(); // it was ready all the same
              }
              return null;
            })
        .join(); // an interrupt does not end this wait
  }

  private static RuntimeException translated(Throwable error) {
    if (error instanceof NativeError nativeError) {
      return RaisonException.of(nativeError);
    }
    if (error instanceof RuntimeException other) {
      return other;
    }
    if (error instanceof Error fatal) {
      throw fatal;
    }
    return new LibraryException(Status.INTERNAL, error.toString());
  }
}
