package org.raison;

/** Is told how far a model is loaded. */
@FunctionalInterface
public interface LoadListener {
  /**
   * Called on the thread that loads, a few times a second.
   *
   * @param done bytes that are loaded
   * @param total all bytes
   * @return false ends the loading with a {@link CancelledException}
   */
  boolean onProgress(long done, long total);
}
