// Text crosses unchanged, in both directions, whatever is in it; what is no text is an argument error.
using System;
using System.IO;
using System.Linq;
using System.Text;

namespace Raison.Tests
{
    internal static class TextTests
    {
        private static readonly string[] Texts =
        {
            "", " ", "plain", "\U0001F600", "a\0b", "\0", "e\u0301\u0323", "\U0001F468\u200D\U0001F469\u200D\U0001F467",
            "\u05D0\u05D1 \u0627\u0644 \u4F60\u597D", "\uFEFFbom", "\r\n\t\u0001\u007F",
        };

        [Test]
        private static void TokensKeepEveryText()
        {
            foreach (string text in Texts)
            {
                int[] tokens = Fixture.Model.Tokenize(text);
                Check.Equal(text, Encoding.UTF8.GetString(Fixture.Model.Detokenize(tokens)), "round trip");
            }
        }

        [Test]
        private static void AMegabyteCrossesInBothDirections()
        {
            string text = string.Concat(Enumerable.Repeat("12 * 13 = \U0001F600\n", 70_000));
            Check.True(Encoding.UTF8.GetByteCount(text) > 1 << 20, "long enough");
            int[] tokens = Fixture.Model.Tokenize(text);
            Check.Equal(text, Encoding.UTF8.GetString(Fixture.Model.Detokenize(tokens)), "round trip");
        }

        [Test]
        private static void BytesThatAreNoTextCrossToo()
        {
            byte[] bytes = Enumerable.Range(0, 256).Select(i => (byte)i).ToArray();
            Check.Same(bytes, Fixture.Model.Detokenize(Fixture.Model.Tokenize(bytes)), "all bytes");
        }

        [Test]
        private static void AnEmojiSplitOverTokensIsWhole()
        {
            const string Emoji = "\U0001F9EE";
            int[] tokens = Fixture.Model.Tokenize(Emoji);
            Check.True(tokens.Length > 1, $"the vocabulary has the emoji as {tokens.Length} token: choose another");
            byte[] joined = tokens.SelectMany(t => Fixture.Model.TokenText(t)).ToArray();
            Check.Equal(Emoji, Encoding.UTF8.GetString(joined), "joined");
            using Session session = Fixture.Model.CreateSession();
            session.Ask(Fixture.Question, Fixture.Greedy(60));
            while (session.Next().Kind != EventKind.Token) { }
            session.Inject(Emoji);
            string text = string.Concat(session.Events.Where(e => e.Kind == EventKind.Token).Select(e => e.Text));
            Check.True(text.Contains(Emoji), $"the events' texts hold it: {text}");
            Check.True(!text.Contains('\uFFFD'), "no half of it");
        }

        [Test]
        private static void TemplatesKeepEveryText()
        {
            foreach (string text in Texts)
            {
                string rendered = Fixture.Model.Render(new[] { new Message(Role.User, text) });
                // Templates may trim.
                Check.True(rendered.Contains(text.Trim(), StringComparison.Ordinal), $"'{text}' in '{rendered}'");
            }
        }

        [Test]
        private static void HalfOfASurrogatePairIsAnArgumentError()
        {
            foreach (string half in new[] { "\uD83D", "a\uDE00b", "\uD83D\uD83D" })
            {
                using Session session = Fixture.Model.CreateSession();
                Check.Throws<ArgumentException>(() => Fixture.Model.Tokenize(half), "tokenize");
                Check.Throws<ArgumentException>(() => session.Ask(half), "ask");
                Check.Throws<ArgumentException>(() => session.PromptText(half), "prompt text");
                Check.Throws<ArgumentException>(() => session.Inject(half), "inject");
                Check.Throws<ArgumentException>(() => Model.Load(half), "path");
                Check.Throws<ArgumentException>(
                    () => session.Prompt(new[] { new Message(Role.User, half) }), "message");
                Check.Throws<ArgumentException>(
                    () => session.Ask("x", new GenerateOptions { Stop = new[] { half } }), "stop");
                Check.Throws<ArgumentException>(
                    () => session.Ask("x", new GenerateOptions { Continuation = half }), "continuation");
            }
        }

        [Test]
        private static void PathsAndSentencesAreUnicode()
        {
            var error = Check.Throws<FileNotFoundException>(() => Model.Load("/n\u00F6 such/\U0001F600.gguf"));
            Check.True(error.Message.Contains("/n\u00F6 such/\U0001F600.gguf"), error.Message);
            Check.Equal("/n\u00F6 such/\U0001F600.gguf", error.FileName);
            Check.Equal(Status.NotFound, RaisonException.StatusOf(error));
        }

        [Test]
        private static void NullIsAnArgumentError()
        {
            using Session session = Fixture.Model.CreateSession();
            Check.Throws<ArgumentNullException>(() => session.Ask(null!));
            Check.Throws<ArgumentNullException>(() => session.Prompt(null!));
            Check.Throws<ArgumentException>(() => session.Prompt(new Message[] { null! }));
            Check.Throws<ArgumentNullException>(() => new Message(Role.User, null!));
            Check.Throws<ArgumentNullException>(() => session.Inject(null!));
            Check.Throws<ArgumentNullException>(() => Fixture.Model.Tokenize((string)null!));
            Check.Throws<ArgumentNullException>(() => Fixture.Model.Detokenize(null!));
            Check.Throws<ArgumentNullException>(() => Model.FromBytes(null!));
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { Stop = new string[] { null! } }));
        }
    }
}
