// Text at the boundary. Going in, what is not Unicode is the caller's mistake and named; coming out,
// bytes that are no UTF-8 become U+FFFD.
using System;
using System.Text;

namespace Raison
{
    internal static class Utf8
    {
        private static readonly UTF8Encoding Strict = new UTF8Encoding(false, true);
        private static readonly UTF8Encoding Lenient = new UTF8Encoding(false, false);

        internal static byte[] Encode(string text, string parameter)
        {
            if (text == null) throw new ArgumentNullException(parameter);
            try
            {
                return Strict.GetBytes(text);
            }
            catch (EncoderFallbackException error)
            {
                throw new ArgumentException(
                    $"{parameter} holds half of a surrogate pair at index {error.Index}", parameter, error);
            }
        }

        internal static string Decode(byte[] bytes) => Lenient.GetString(bytes);

        internal static string Decode(byte[] bytes, int from, int size) => Lenient.GetString(bytes, from, size);
    }
}
