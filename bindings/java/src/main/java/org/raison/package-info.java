/**
 * Runs open reasoning models on your own hardware, and lets your program see and steer the
 * reasoning: a {@link org.raison.Model} has {@link org.raison.Session}s, a session gives {@link
 * org.raison.Event}s and {@link org.raison.Step}s.
 *
 * <p>Failures are unchecked {@link org.raison.RaisonException}s with a {@link org.raison.Status}.
 * What the library says goes to {@code System.getLogger("org.raison")}.
 */
package org.raison;
