using System;
using System.Collections.Generic;

namespace Raison
{
    /// <summary>One message of a conversation. A conversation is any sequence of them.</summary>
    public sealed class Message
    {
        /// <summary>Makes a message.</summary>
        /// <param name="role">Who speaks.</param>
        /// <param name="text">What is said.</param>
        /// <param name="thinking">What an assistant thought before its text; null: nothing known.</param>
        public Message(Role role, string text, string? thinking = null)
        {
            Role = role;
            Text = text ?? throw new ArgumentNullException(nameof(text));
            Thinking = thinking;
        }

        /// <summary>Who speaks.</summary>
        public Role Role { get; }
        /// <summary>What is said.</summary>
        public string Text { get; }
        /// <summary>What an assistant thought before.</summary>
        public string? Thinking { get; }

        internal static NativeMessages ToNative(IEnumerable<Message> messages)
        {
            if (messages == null) throw new ArgumentNullException(nameof(messages));
            var native = new NativeMessages();
            try
            {
                int index = 0;
                foreach (Message message in messages)
                {
                    string name = $"messages[{index++}]";
                    if (message == null) throw new ArgumentException($"{name} is null", nameof(messages));
                    byte[] text = Utf8.Encode(message.Text, name + ".Text");
                    if (message.Thinking == null)
                        native.Add((int)message.Role, text);
                    else
                        native.Add((int)message.Role, text, Utf8.Encode(message.Thinking, name + ".Thinking"));
                }
                return native;
            }
            catch
            {
                native.Dispose();
                throw;
            }
        }
    }
}
