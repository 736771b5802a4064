package org.raison;

/** The order of the sampling chain; the same numbers mean different distributions in each. */
public enum SamplingOrder {
  // In the order of the numbers, as RSN_ORDER_ in raison.h, from 0.
  /** Temperature, top_k, top_p, min_p: what model cards mean. */
  HUGGING_FACE,
  /** top_k, top_p, min_p at temperature 1, then temperature. */
  LLAMA_CPP;

  static SamplingOrder of(int number) {
    return Numbers.known(values(), number);
  }
}
