package org.raison;

import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * An object of the library that Java holds, and the calls that are inside it.
 *
 * <p>Every call is counted. Closing while another thread is inside ends that thread's work, and the
 * last one out frees; a close never waits. What nobody closed is freed by a cleaner after it became
 * unreachable, which it is not while a call is inside.
 */
final class NativeObject<P> {
  private static final Cleaner CLEANER = Cleaner.create();

  private final State<P> state;
  private final Cleaner.Cleanable cleanable;

  /** What is freed, without a reference to the object that it belongs to. */
  private static final class State<P> implements Runnable {
    private final String noun;
    private final P proxy;
    private final Consumer<P> interrupt;
    private final Consumer<P> free;
    private int calls;
    private boolean closed;

    State(String noun, P proxy, Consumer<P> interrupt, Consumer<P> free) {
      this.noun = noun;
      this.proxy = proxy;
      this.interrupt = interrupt;
      this.free = free;
    }

    synchronized boolean tryEnter() {
      if (closed) {
        return false;
      }
      ++calls;
      return true;
    }

    void exit() {
      synchronized (this) {
        if (--calls > 0 || !closed) {
          return;
        }
      }
      free.accept(proxy);
    }

    /** Closes: called once, by close() or by the cleaner. */
    @Override
    public void run() {
      boolean busy;
      synchronized (this) {
        closed = true;
        busy = calls > 0;
        ++calls; // this one: nobody frees beside the interruption
      }
      try {
        if (busy) {
          interrupt.accept(proxy);
        }
      } finally {
        exit();
      }
    }
  }

  /**
   * @param owner the public object, whose reachability counts
   * @param noun for messages: "session"
   * @param proxy what to free
   * @param interrupt ends the work of the threads that are inside
   * @param free frees it
   */
  NativeObject(Object owner, String noun, P proxy, Consumer<P> interrupt, Consumer<P> free) {
    state = new State<>(noun, proxy, interrupt, free);
    cleanable = CLEANER.register(owner, state);
  }

  /** Calls with the proxy; {@code owner} stays reachable until it returned. */
  <R> R call(Object owner, Function<P, R> function) {
    P proxy = enter();
    try {
      return function.apply(proxy);
    } catch (NativeError error) {
      throw RaisonException.of(error);
    } finally {
      exit();
      Reference.reachabilityFence(owner);
    }
  }

  void run(Object owner, Consumer<P> function) {
    call(
        owner,
        proxy -> {
          function.accept(proxy);
          return null;
        });
  }

  /** Does nothing on a closed object. */
  void runIfOpen(Object owner, Consumer<P> function) {
    if (!state.tryEnter()) {
      return;
    }
    try {
      function.accept(state.proxy);
    } catch (NativeError error) {
      throw RaisonException.of(error);
    } finally {
      exit();
      Reference.reachabilityFence(owner);
    }
  }

  /** For a call that needs several objects: each enter() has its exit(). */
  P enter() {
    if (!state.tryEnter()) {
      throw new StateException(Status.STATE, "the " + state.noun + " is closed");
    }
    return state.proxy;
  }

  void exit() {
    state.exit();
  }

  /** May be called again, and by any thread. */
  void close() {
    try {
      cleanable.clean();
    } catch (NativeError error) {
      throw RaisonException.of(error);
    }
  }

  /** A call that belongs to no object. */
  static <R> R checked(Supplier<R> function) {
    NativeLibrary.load();
    try {
      return function.get();
    } catch (NativeError error) {
      throw RaisonException.of(error);
    }
  }
}
