package org.raison;

import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * Sees the events of a request and steers it: see {@link Session#run(TraceListener)}. It is called
 * by the thread that runs the request, never by one of the library's own.
 */
@FunctionalInterface
public interface TraceListener {
  /**
   * Called for each event, DONE included. Steering, rewinding and reading the session are fine
   * here. An exception cancels the request and comes out of {@code run} unchanged.
   *
   * @param session the session that runs
   * @param event what happened
   * @return what to do; null: go on
   */
  Verdict onEvent(Session session, Event event);

  /**
   * A listener of completed steps.
   *
   * @param action called with each step
   * @return a listener that always goes on
   */
  static TraceListener onSteps(Consumer<Step> action) {
    return (session, event) -> {
      if (event.kind() == EventKind.STEP_END) {
        action.accept(session.step(event.step()));
      }
      return Verdict.CONTINUE;
    };
  }

  /**
   * A listener of generated text.
   *
   * @param action called with the channel and text of each token
   * @return a listener that always goes on
   */
  static TraceListener onTokens(BiConsumer<Channel, String> action) {
    return (session, event) -> {
      if (event.kind() == EventKind.TOKEN) {
        action.accept(event.channel(), event.text());
      }
      return Verdict.CONTINUE;
    };
  }

  /**
   * Both listeners, this one first.
   *
   * @param next the other one
   * @return a listener whose verdict is the stronger of both: stop, end the thinking, go on
   */
  default TraceListener and(TraceListener next) {
    return (session, event) -> {
      Verdict first = onEvent(session, event);
      Verdict second = next.onEvent(session, event);
      if (first == null || (second != null && second.compareTo(first) > 0)) {
        return second;
      }
      return first;
    };
  }
}
