package org.raison;

/**
 * An expert that computed a token.
 *
 * @param layer the layer
 * @param expert the expert's number in that layer
 * @param weight the gate's weight
 */
public record ExpertUse(int layer, int expert, float weight) {}
