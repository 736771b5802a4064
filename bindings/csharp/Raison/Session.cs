using System;
using System.Collections.Generic;
using System.Threading;

namespace Raison
{
    /// <summary>
    /// One timeline of a model: tokens, their cache, and the trace. Used by one thread at a time; only
    /// <see cref="Cancel"/> and <see cref="Dispose"/> may be called by another one meanwhile.
    /// </summary>
    public sealed class Session : IDisposable
    {
        private readonly NativeSession native;
        private readonly Log? log;
        private int disposed;

        internal Session(NativeSession native, Log? log)
        {
            this.native = native;
            this.log = log;
        }

        /// <summary>Raised inside <see cref="Next"/> for each event, on the thread that called it.</summary>
        /// <remarks>
        /// What a handler throws comes out of <see cref="Next"/> unchanged; the session stays usable. A handler
        /// may steer: end the thinking, stop, inject, rewind, fork, cancel.
        /// </remarks>
        public event EventHandler<Event>? EventReceived;

        /// <summary>Raised inside <see cref="Next"/> for each token.</summary>
        public event EventHandler<Event>? TokenGenerated;

        /// <summary>Raised inside <see cref="Next"/> when a step of the thinking is complete.</summary>
        public event EventHandler<Step>? StepCompleted;

        /// <summary>Starts a request of one user message.</summary>
        /// <param name="text">The question.</param>
        /// <param name="options">Of the request; null: the defaults.</param>
        /// <returns>Its events, for <c>foreach</c> or <c>await foreach</c>.</returns>
        public EventStream Ask(string text, GenerateOptions? options = null)
        {
            byte[] bytes = Utf8.Encode(text, nameof(text));
            byte[] record = GenerateOptions.ToRecord(options);
            Call(open => open.Ask(bytes, record));
            return Events;
        }

        /// <summary>Starts a request from the whole conversation; the common prefix is not computed again.</summary>
        /// <param name="messages">The whole conversation.</param>
        /// <param name="options">Of the request; null: the defaults.</param>
        /// <returns>Its events.</returns>
        public EventStream Prompt(IEnumerable<Message> messages, GenerateOptions? options = null)
        {
            byte[] record = GenerateOptions.ToRecord(options);
            Call(open =>
            {
                using NativeMessages conversation = Message.ToNative(messages);
                open.Prompt(conversation, record);
            });
            return Events;
        }

        /// <summary>Starts a request from raw text, without a template.</summary>
        /// <param name="text">The text to go on from.</param>
        /// <param name="options">Of the request; null: the defaults.</param>
        /// <param name="special">Strings of special tokens in the text become those tokens.</param>
        /// <param name="bos">Begin with the begin-of-text token, if the model uses one.</param>
        /// <returns>Its events.</returns>
        public EventStream PromptText(string text, GenerateOptions? options = null, bool special = false,
            bool bos = true)
        {
            byte[] bytes = Utf8.Encode(text, nameof(text));
            byte[] record = GenerateOptions.ToRecord(options);
            Call(open => open.PromptText(bytes, (special ? 1 : 0) | (bos ? 2 : 0), record));
            return Events;
        }

        /// <summary>The rest of the running request's events, the last one included.</summary>
        public EventStream Events => new EventStream(this);

        /// <summary>The next event; <see cref="EventKind.Progress"/> when nothing came within the wait.</summary>
        public Event Next()
        {
            var next = new Event(Call(open => open.Next()));
            Raise(next);
            return next;
        }

        /// <summary>Runs the request to its end and gives the answer's text; as <see cref="Next"/> it needs one.</summary>
        /// <param name="callback">
        /// Called for each event on this thread; what it returns steers. What it throws cancels the request and
        /// comes out unchanged; the session stays usable.
        /// </param>
        public string Run(Func<Session, Event, Verdict>? callback = null)
        {
            if (!Running) Next();  // says so
            bool thinking = false;
            try
            {
                foreach (Event e in Events)
                {
                    if (e.Kind == EventKind.ThinkBegin) thinking = true;
                    if (e.Kind == EventKind.ThinkEnd) thinking = false;
                    Verdict verdict = callback?.Invoke(this, e) ?? Verdict.Continue;
                    if (verdict < Verdict.Continue || verdict > Verdict.Stop)
                        throw new ArgumentException($"the callback returned {(int)verdict}, which is no verdict",
                            nameof(callback));
                    if (verdict == Verdict.EndThinking && thinking && Running) EndThinking();
                    if (verdict == Verdict.Stop && Running) Stop();
                }
            }
            catch
            {
                if (Volatile.Read(ref disposed) == 0) Cancel();  // nobody wants the request any more
                throw;
            }
            return AnswerText;
        }

        /// <summary>One event of many sessions of one model, stepped together.</summary>
        /// <param name="sessions">Each once; those without a running request are skipped.</param>
        /// <returns>The events with their sessions, until no session has a running request.</returns>
        public static IEnumerable<(Session Session, Event Event)> StepAll(IEnumerable<Session> sessions)
        {
            if (sessions == null) throw new ArgumentNullException(nameof(sessions));
            var all = new List<Session>(sessions);
            if (all.Contains(null!)) throw new ArgumentException("one of the sessions is null", nameof(sessions));
            return Stepped(all);
        }

        private static IEnumerable<(Session, Event)> Stepped(List<Session> sessions)
        {
            using var group = new NativeSessions();
            foreach (Session session in sessions) group.Add(session.Open());
            while (true)
            {
                foreach (Session session in sessions) session.Open();
                (long which, byte[]? record) = Library.Call(() =>
                {
                    var r = new RecordReader(group.Next());
                    long index = r.Long();
                    return (index, index < 0 ? null : r.Rest());
                });
                if (record == null) yield break;
                Session owner = sessions[(int)which];
                var next = new Event(record);
                owner.Raise(next);
                yield return (owner, next);
            }
        }

        /// <summary>Ends the thinking now; the model answers.</summary>
        public void EndThinking() => Call(open => open.EndThinking());

        /// <summary>Ends the request.</summary>
        public void Stop() => Call(open => open.Stop());

        /// <summary>Puts text into the current channel, as if the model had written it.</summary>
        public void Inject(string text)
        {
            byte[] bytes = Utf8.Encode(text, nameof(text));
            Call(open => open.Inject(bytes));
        }

        /// <summary>Goes back to a position; the request runs on from there.</summary>
        /// <param name="position">From the end of the prompt to <see cref="Position"/>.</param>
        /// <param name="options">Null: those of the request, with the next branch number.</param>
        public void Rewind(long position, GenerateOptions? options = null)
        {
            if (options == null)
            {
                Call(open => open.Rewind(position));
                return;
            }
            byte[] record = GenerateOptions.ToRecord(options);
            Call(open => open.Rewind(position, record));
        }

        /// <summary>A second session with the same tokens, which shares their memory until one of the two writes.</summary>
        /// <param name="options">Null: those of the request, with the next branch number.</param>
        public Session Fork(GenerateOptions? options = null)
        {
            byte[]? record = options == null ? null : GenerateOptions.ToRecord(options);
            return new Session(Call(open => record == null ? open.Fork() : open.Fork(record)), log);
        }

        /// <summary>Ends the running request, from any thread; without one nothing happens.</summary>
        public void Cancel() => Library.Call(() => Open().Cancel());

        /// <summary>Whether the request has events left.</summary>
        public bool Running => Call(open => open.Running());

        /// <summary>How many tokens the session holds.</summary>
        public long Position => Call(open => open.Position());

        /// <summary>How many steps the request has, discarded ones included.</summary>
        public int StepCount => (int)Call(open => open.StepCount());

        /// <summary>Reads one step.</summary>
        /// <param name="index">Less than <see cref="StepCount"/>.</param>
        public Step GetStep(int index) =>
            new Step(Call(open => open.Step(Unset.Or(index, nameof(index)))));

        /// <summary>The steps of the request, discarded ones included.</summary>
        public IReadOnlyList<Step> Steps
        {
            get
            {
                var steps = new Step[StepCount];
                for (int i = 0; i < steps.Length; ++i) steps[i] = GetStep(i);
                return steps;
            }
        }

        /// <summary>How often each expert worked on a step: (layers, experts) row by row.</summary>
        public int[] StepExperts(int index) =>
            Call(open => open.StepExperts(Unset.Or(index, nameof(index))));

        /// <summary>Reads the record of the token at a position, of the prompt too.</summary>
        public Token GetToken(long position) => new Token(Call(open => open.Token(position)));

        /// <summary>The records of all tokens, the prompt's included.</summary>
        public IReadOnlyList<Token> Tokens
        {
            get
            {
                var tokens = new Token[Position];
                for (int i = 0; i < tokens.Length; ++i) tokens[i] = GetToken(i);
                return tokens;
            }
        }

        /// <summary>All that was thought so far.</summary>
        public string Thinking => Utf8.Decode(Call(open => open.Text((int)Channel.Thinking)));

        /// <summary>All that was answered so far.</summary>
        public string AnswerText => Utf8.Decode(Call(open => open.Text((int)Channel.Answer)));

        /// <summary>The final answer and the first step that states it.</summary>
        public Answer Answer => new Answer(Call(open => open.Answer()));

        /// <summary>The bill of the request.</summary>
        public Usage Usage => new Usage(Call(open => open.Usage()));

        /// <summary>The options that the request really uses; null: no limit, none given.</summary>
        public GenerateOptions Options => GenerateOptions.FromRecord(Call(open => open.EffectiveOptions()));

        /// <summary>The raw logits after the newest token, one per vocabulary entry.</summary>
        public float[] Logits() => Call(open => open.Logits());

        /// <summary>Cancels a running request and frees the session, when calls on other threads are over.</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) != 0) return;
            try
            {
                native.Cancel();
            }
            catch (NativeError)
            {
                // A session of another process cannot be cancelled; it is given up all the same.
            }
            native.Dispose();
        }

        private void Raise(Event next)
        {
            EventReceived?.Invoke(this, next);
            if (next.Kind == EventKind.Token) TokenGenerated?.Invoke(this, next);
            if (next.Kind == EventKind.StepEnd && StepCompleted != null)
                StepCompleted.Invoke(this, GetStep(next.Step));
        }

        internal NativeSession Open()
        {
            if (Volatile.Read(ref disposed) != 0) throw new ObjectDisposedException(nameof(Session));
            return native;
        }

        private void Call(Action<NativeSession> call)
        {
            NativeSession open = Open();
            try
            {
                call(open);
            }
            catch (NativeError error)
            {
                throw RaisonException.Of(error);
            }
            finally
            {
                log?.Emit();
            }
        }

        private T Call<T>(Func<NativeSession, T> call)
        {
            NativeSession open = Open();
            try
            {
                return call(open);
            }
            catch (NativeError error)
            {
                throw RaisonException.Of(error);
            }
            finally
            {
                log?.Emit();
            }
        }
    }
}
