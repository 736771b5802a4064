using System;
using System.Collections.Generic;

namespace Raison
{
    /// <summary>One of the most likely tokens at a place.</summary>
    public readonly struct Alternative
    {
        internal Alternative(int token, float logProbability)
        {
            Token = token;
            LogProbability = logProbability;
        }

        /// <summary>Id in the model's vocabulary.</summary>
        public int Token { get; }
        /// <summary>Nats, whole vocabulary, temperature 1.</summary>
        public float LogProbability { get; }

        internal static IReadOnlyList<Alternative> List(int[] tokens, float[] logProbabilities)
        {
            var list = new Alternative[Math.Min(tokens.Length, logProbabilities.Length)];
            for (int i = 0; i < list.Length; ++i) list[i] = new Alternative(tokens[i], logProbabilities[i]);
            return list;
        }
    }

    /// <summary>One expert that worked on a token.</summary>
    public readonly struct ExpertUse
    {
        internal ExpertUse(int layer, int expert, float weight)
        {
            Layer = layer;
            Expert = expert;
            Weight = weight;
        }

        /// <summary>The layer.</summary>
        public int Layer { get; }
        /// <summary>The expert's number in its layer.</summary>
        public int Expert { get; }
        /// <summary>Its gate weight.</summary>
        public float Weight { get; }

        internal static IReadOnlyList<ExpertUse> List(int[] layers, int[] experts, float[] weights)
        {
            var list = new ExpertUse[Math.Min(layers.Length, Math.Min(experts.Length, weights.Length))];
            for (int i = 0; i < list.Length; ++i) list[i] = new ExpertUse(layers[i], experts[i], weights[i]);
            return list;
        }
    }

    /// <summary>One event of a request. Which members count depends on <see cref="Kind"/>.</summary>
    public sealed class Event
    {
        private readonly byte[] record;
        private readonly int reason;

        internal Event(byte[] record)
        {
            this.record = record;
            var r = new RecordReader(record);
            Kind = (EventKind)r.Int();
            reason = r.Int();
            Status = (Status)r.Int();
            Position = r.Long();
            Elapsed = TimeSpan.FromTicks(r.Long() * 10);
            Text = r.Text();
            Step = r.Int();
            Channel = (Channel)r.Int();
            Token = r.Int();
            Source = (TokenSource)r.Int();
            Rank = r.Int();
            LogProbability = r.Float();
            Entropy = r.Float();
            SampledLogProbability = r.Float();
            Alternatives = Alternative.List(r.Ints(), r.Floats());
            Experts = ExpertUse.List(r.Ints(), r.Ints(), r.Floats());
            Processed = r.Long();
            Total = r.Long();
            Cached = r.Long();
        }

        /// <summary>What happened.</summary>
        public EventKind Kind { get; }
        /// <summary>
        /// Token: the text that it completes, perhaps empty. Step end: the step's text. Notice: a sentence.
        /// Done: the final answer in the model's own form.
        /// </summary>
        public string Text { get; }
        /// <summary>Where the token belongs.</summary>
        public Channel Channel { get; }
        /// <summary>Index of the step, -1 outside the thinking. Done: the first step that states the answer.</summary>
        public int Step { get; }
        /// <summary>The token's place in the session; for other kinds the session's end.</summary>
        public long Position { get; }
        /// <summary>Time since the request began.</summary>
        public TimeSpan Elapsed { get; }
        /// <summary>Why the thinking ended; null for other kinds.</summary>
        public ThinkEndReason? ThinkEnd => Kind == EventKind.ThinkEnd ? (ThinkEndReason?)reason : null;
        /// <summary>Why the request is over; null for other kinds.</summary>
        public DoneReason? Done => Kind == EventKind.Done ? (DoneReason?)reason : null;
        /// <summary>Which intervention; null for other kinds.</summary>
        public NoticeReason? Notice => Kind == EventKind.Notice ? (NoticeReason?)reason : null;
        /// <summary>A failed request's status, else <see cref="Status.Ok"/>.</summary>
        public Status Status { get; }
        /// <summary>Token: its id, else -1.</summary>
        public int Token { get; }
        /// <summary>Token: who chose it.</summary>
        public TokenSource Source { get; }
        /// <summary>Token: 0 is the model's most likely one; -1 if not computed.</summary>
        public int Rank { get; }
        /// <summary>Nats, whole vocabulary, temperature 1, before penalties and filters; NaN: not computed.</summary>
        public float LogProbability { get; }
        /// <summary>Nats, of that distribution.</summary>
        public float Entropy { get; }
        /// <summary>Nats, after the whole sampling chain.</summary>
        public float SampledLogProbability { get; }
        /// <summary>The most likely tokens, best first, where they were asked for.</summary>
        public IReadOnlyList<Alternative> Alternatives { get; }
        /// <summary>Who computed this token, layer by layer, where it was asked for.</summary>
        public IReadOnlyList<ExpertUse> Experts { get; }
        /// <summary>Progress: the prompt's tokens processed so far.</summary>
        public long Processed { get; }
        /// <summary>Progress: the prompt's tokens.</summary>
        public long Total { get; }
        /// <summary>Progress: of these, the ones that an earlier request had processed.</summary>
        public long Cached { get; }

        /// <summary>One object of JSON, the same bytes in every language (docs/trace.schema.json).</summary>
        public string ToJson() => Library.Call(() => Utf8.Decode(Crossing.EventJson(record)));

        /// <summary>Kind and text.</summary>
        public override string ToString() => $"{Kind} {Text}";
    }
}
