package org.raison;

import java.lang.ref.Reference;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;

/**
 * Many sessions of one model, stepped from one thread: those that step together share their passes.
 * A session's failure is its own DONE event with {@link DoneReason#FAILED}; nothing is thrown.
 */
public final class Sessions {
  private static final int SHORT_WAIT_MS = 100; // as in Session

  private Sessions() {}

  /**
   * One event, and whose it is.
   *
   * @param session the session
   * @param event its event
   */
  public record Stepped(Session session, Event event) {}

  /**
   * One event of one of the sessions.
   *
   * @param sessions each once
   * @return empty if none has a running request
   */
  public static Optional<Stepped> next(List<Session> sessions) {
    Runnable cancel = () -> sessions.forEach(Session::cancel);
    Interrupts.check(cancel);
    // The shortest wait holds.
    int wait = sessions.stream().mapToInt(Session::waitMs).min().orElse(0);
    return wait > SHORT_WAIT_MS
        ? Interrupts.watched(() -> step(sessions), cancel)
        : step(sessions);
  }

  private static Optional<Stepped> step(List<Session> sessions) {
    NativeLibrary.load();
    Deque<Session> entered = new ArrayDeque<>();
    NativeSessions together = null;
    try {
      together = new NativeSessions();
      for (Session session : sessions) {
        NativeSession proxy = session.enter();
        entered.push(session);
        together.Add(proxy);
      }
      RecordReader r = new RecordReader(together.Next());
      int which = Math.toIntExact(r.int64());
      if (which < 0) {
        return Optional.empty();
      }
      sessions.get(which).log().handOver();
      return Optional.of(new Stepped(sessions.get(which), new Event(r.rest())));
    } catch (NativeError error) {
      throw RaisonException.of(error);
    } finally {
      // First the list, which holds the sessions too: the last exit() of a closed one frees it.
      if (together != null) {
        together.delete();
      }
      entered.forEach(Session::exit);
      Reference.reachabilityFence(sessions);
    }
  }

  /**
   * All events of all sessions' requests. Leaving the loop early leaves the requests running.
   *
   * @param sessions each once
   * @return events as they are computed, for one loop
   */
  public static Iterable<Stepped> stepAll(List<Session> sessions) {
    List<Session> all = List.copyOf(sessions);
    return () ->
        new Iterator<>() {
          private Optional<Stepped> ahead = Optional.empty();

          @Override
          public boolean hasNext() {
            if (ahead.isEmpty()) {
              ahead = Sessions.next(all);
            }
            return ahead.isPresent();
          }

          @Override
          public Stepped next() {
            if (!hasNext()) {
              throw new NoSuchElementException("no session has a running request");
            }
            Stepped stepped = ahead.get();
            ahead = Optional.empty();
            return stepped;
          }
        };
  }
}
