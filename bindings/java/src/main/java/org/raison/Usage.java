package org.raison;

/**
 * The bill of a request.
 *
 * @param promptTokens the whole prompt
 * @param cachedTokens of it, reused from earlier
 * @param thinkingTokens in the live branch, tags not counted
 * @param answerTokens in the live branch
 * @param forcedTokens of both and of the tags: forced or injected
 * @param discardedTokens left behind by rewinds
 * @param passes forward passes that this session took part in
 * @param promptSeconds processing the prompt
 * @param thinkingSeconds thinking
 * @param answerSeconds answering
 * @param totalSeconds from the request's beginning to its latest event
 */
public record Usage(
    long promptTokens,
    long cachedTokens,
    long thinkingTokens,
    long answerTokens,
    long forcedTokens,
    long discardedTokens,
    long passes,
    double promptSeconds,
    double thinkingSeconds,
    double answerSeconds,
    double totalSeconds) {
  static Usage of(byte[] record) {
    RecordReader r = new RecordReader(record);
    return r.end(
        new Usage(
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.int64(),
            r.float64(),
            r.float64(),
            r.float64(),
            r.float64()));
  }
}
