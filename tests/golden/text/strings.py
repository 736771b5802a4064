"""The texts that tokenizer vectors are made of, and the random texts that C++ makes alike.

Escapes are used wherever an editor could change a character (marks, singletons, white space).
"""

CORPUS = """
I've been told he's there, but they'll say we'd better not; I'M SURE YOU'RE RIGHT, DON'T ASK.
The quick brown fox jumps over the lazy dog 1234567 times, for 3.14159 euros (about 1,000.50 USD).
def main(argc, argv):\n    if argc != 2:\n        return -1  # usage\n\treturn foo_bar[0] + x * 10\n\n
for (int i = 0; i < 100; ++i) {\n\tsum += values[i];\n}\n\n// ------- ======= end ///////\r\n
HTTPServer camelCase snake_case XMLHttpRequest {"name": "value", "list": [1, 2, 33, 444]}
Der schnelle braune Fuchs springt \u00fcber den faulen Hund. \u00c9COLE \u00e9cole, \u0153uvre, na\u00efve caf\u00e9.
\u041d\u0435\u0449\u043e \u043d\u0430 \u0431\u044a\u043b\u0433\u0430\u0440\u0441\u043a\u0438, \u0438 \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0442\u0435\u043a\u0441\u0442. \u0391\u0392\u0393 \u03b1\u03b2\u03b3 \u03ba\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1.
\u4f60\u597d\u4e16\u754c\uff0c\u6211\u60f3\u5728apple\u5de5\u4f5c1314151\u5929\uff5e \u3042\u308a\u304c\u3068\u3046 \u30c6\u30b9\u30c8 \ud55c\uad6d\uc5b4 \uc548\ub155\ud558\uc138\uc694.
\u0e01\u0e47 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u1780\u17b6\u1793\u17cb\u178f\u17c2 \u0915\u093f \u0928\u092e\u0938\u094d\u0924\u0947 \u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd.
\U0001f680 \U0001f636\u200d\U0001f32b\ufe0f \u2705 \U0001f999\U0001f999 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd 1\ufe0f\u20e3
      indented      text        with   many    spaces                and\t\t\ttabs\n\n\n\n and lines
"""


def texts():
    t = ["", " ", "  ", "   ", " " * 16, " " * 255, " " * 256, " " * 257, "\t", "\t\t\t", "\n",
         "\n\n", "\r\n", "\r\r\n", " \n", "\n ", " \n  \n   x", "  \n \n  end  ", "spaces at the end   ",
         "a \n b", "\n\n\n\n", "x\n", "\u3000x", "a\u3000\u3000b"]
    # llama.cpp's habitual check text, abridged
    t += ["\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n\U0001f680 (normal) \U0001f636\u200d\U0001f32b\ufe0f "
          "(multiple emojis concatenated) \u2705 \U0001f999\U0001f999 3 33 333 3333 33333 333333 3333333 "
          "33333333 3.3 3..3 3...3 \u1780\u17b6\u1793\u17cb\u178f\u17c2\u1796\u17b7\u179f\u17c1\u179f\u17a2\u17b6\u1785"
          "\U0001f601 ?\u6211\u60f3\u5728apple\u5de5\u4f5c1314151\u5929\uff5e ------======= \u043d\u0435\u0449\u043e \u043d\u0430 "
          "\u0411\u044a\u043b\u0433\u0430\u0440\u0441\u043a\u0438 ''''''```````\"\"\"\"......!!!!!!?????? I've been 'told he's "
          "there, 'RE you sure? 'M not sure I'll make it, 'D you like some tea? We'Ve a'lL"]
    # numbers
    t += ["0", "12", "123", "1234567", "1,234.56", "\u0663\u0664\u0665", "\u096b", "\u00b2\u00b3", "\u00bd", "\u2167",
          "\uff11\uff12\uff13", "1e-10", " 123", "a1b22c333", "x  =  1234567;\n\n\tfoo_bar( y)", "3.14", "-7"]
    # contractions
    for word in ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"]:
        t += ["x" + word, "x" + word.upper(), word + "x"]
    t += ["it\u2019s", "x'\u017f", "o'clock", "'''", "a ' s", "I'LL don't caf\u00e9", "'LL'", "HTTPServer's \u00c9COLE\u00e9cole"]
    # case and letters
    t += ["camelCase", "HTTPServer", "\u00c9COLE\u00e9cole", "\u01c5ungla", "\u0130stanbul",
          "\u0391\u0392\u0393\u03b1\u03b2\u03b3", "\u0152UVRE", "\ufb01", "(hello", "_foo_bar", "__init__"]
    # marks and normal forms
    t += ["\u00e9", "e\u0301", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165", "\u0915\u093f",
          "\u0e01\u0e47", "Z\u0337a\u0337l\u0337g\u0337o\u0337", "\u0301abc", " \u0301", "\u212b", "\u1e9b\u0323", "\u2126 \u212a",
          "a\u0301b \u0e01\u0e47 \ud55c\uad6d\uc5b4 \u00bd\u00b2", "caf\u00e9 cafe\u0301 \u1e69 s\u0323\u0307"]
    # scripts
    t += ["\u4f60\u597dworld\uff0c\u3042\u308a\u304c\u3068\u3046 12\u5e74", "\u9fa6", "\u3400", "\U00020000", "\u3005\u3007\u303b", "\u30ab\u30bf\u30ab\u30ca\uff76\uff85",
          "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e04\u0e23\u0e31\u0e1a", "\u0f56\u0f7c\u0f51", "\u1019\u103c\u1014\u103a\u1019\u102c",
          "\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627", "\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", "\u10d2\u10d0\u10db\u10d0\u10e0\u10ef\u10dd\u10d1\u10d0", "\u13e3\u13b3\u13a9",
          "\u12a0\u121b\u122d\u129b", "\U00010400\U00010428", "\u0561\u0562\u0563 \u0531\u0532"]
    # white space of all kinds, and what only looks like it
    for c in [0x85, 0xA0, 0x1680, 0x180E, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0x200B,
              0xFEFF, 0x1C, 0x1F, 0x0B, 0x0C]:
        t += ["a%sb" % chr(c), "a %s%s b" % (chr(c), chr(c)), "%s\n%sx" % (chr(c), chr(c)), "!%s?" % chr(c)]
    # emoji
    t += ["\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466",
          "\U0001f44d\U0001f3fd!", "1\ufe0f\u20e3#\ufe0f\u20e3", "\u2764\ufe0f\u2764", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "x\U0001f600y"]
    # symbols of Unicode 15 and 16
    t += ["x \U0001f6dc y", "hi\U0001fae8th", " \U0001fae9\n", "\U0001fabfre\U0001facf", "a \U0001fbcb1"]
    # code
    t += ["def f(x):\n    return x + 1\n\n\nclass A:\n\tpass\n", "};\n\n", "a->b != c", "//////", "/* */\r\n", "\\n\\t",
          "<a href=\"x\">y</a>", "{\"a\":[1,2.5,-3e8],\"b\":null}", "for(;;){i++;}//x\n\n\n\ty", "$x = ~$y ^ `z`;",
          "QmFzZTY0IGlzIGEgbG9uZyB3b3JkIHdpdGhvdXQgc3BhY2VzIGFuZCBnb2VzIG9u" * 8]
    # odd code points
    t += ["\x00", "a\x00b", "\x01\x02", "\x7f", "\ufffd", "\ufffe", "\U0010ffff", "\ue000", "\uf8ff x"]
    return t


# Texts with special tokens: encoded with and without parsing them. %s are those of the family.
def special_texts(specials):
    t = ["<think>", "</think>", "<|im_end|>", "<\uff5cUser\uff5c>", "<|User|>", "<|eot_id|>", "[INST]", "<s>", "<0x41>",
         "\u2581", "\u0120", "\u0120a\u010a", "<|im_en", "<thinking>"]
    for s in specials:
        t += [s, "a" + s + "b", " " + s + " ", "\n" + s + "\n", s + s, s[:-1], s[1:], s[:-1] + s, "1" + s + "2  " + s,
              "caf\u00e9 " + s + " e\u0301"]
    t += ["".join(specials), " ".join(specials), "x".join(specials)]
    return t


# Long runs: (unit, count), only the number of ids and their hash are kept.
RUNS = [("a", 100_000), ("=", 100_000), ("\u00e9", 50_000), ("\u0e01", 30_000), (" ", 100_000), ("\n", 50_000),
        (" x", 50_000), ("1", 30_000), ("'", 50_000), ("\u4f60", 30_000), ("ab", 40_000), ("\u0301", 30_000)]


class Random:
    """A 64-bit linear congruential generator (Knuth's MMIX constants)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


# One of these per draw; half of them make the boundaries that patterns disagree about.
ALPHABET = ("abzAZ019 \t\n\r'\"`.,;:!?-_+=*/\\|<>()[]{}@#$%^&~" "sSdDmMtTlLvVrReE"
            "\u00e9\u00c9\u0153\u0130\u01c5\u017f\u00b2\u00bd\u0301\u0323\u0663\u2167\u4e00\u9fa5\u9fa6\u3042\u30ab\u3005\u3000\u3001\uff01\uff5e\ud55c\u1100\u0e01\u0e47"
            "\u0915\u093f\u0561\u0531\u10d0\u2019\u201c\u2026\u20ac\u00a0\u0085\u180e\u2028\u200b\u200d\ufe0f\U0001f600\U0001f1e9\U00010400\U00020000\ufeff\x00\x1c\x7f")


def random_text(rng):
    return "".join(ALPHABET[rng.below(len(ALPHABET))] for _ in range(1 + rng.below(24)))


def fnv(ids, h=0xCBF29CE484222325):
    """FNV-1a over the ids as 32-bit little-endian numbers."""
    for i in ids:
        for b in i.to_bytes(4, "little"):
            h = (h ^ b) * 0x100000001B3 % 2**64
    return h
