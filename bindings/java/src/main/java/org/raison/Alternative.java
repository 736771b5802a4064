package org.raison;

/**
 * One of the most likely tokens at a place.
 *
 * @param token its id in the model's vocabulary
 * @param logprob its log-probability in nats, before the sampling chain
 */
public record Alternative(int token, float logprob) {}
