package org.raison;

/** How text becomes tokens. */
public enum TokenizeFlag {
  /** Strings of special tokens in the text become those tokens. */
  SPECIAL(1),
  /** Begins with the model's begin-of-text token, if it uses one. */
  BOS(2);

  private final int bit;

  TokenizeFlag(int bit) {
    this.bit = bit;
  }

  static int bits(TokenizeFlag... flags) {
    int bits = 0;
    for (TokenizeFlag flag : flags) {
      bits |= flag.bit;
    }
    return bits;
  }
}
