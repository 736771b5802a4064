using System;
using System.Collections.Generic;

namespace Raison
{
    /// <summary>A step of the thinking: the half-open token range [Begin, End), text and numbers.</summary>
    public sealed class Step
    {
        private readonly byte[] record;
        private readonly int flags;

        internal Step(byte[] record)
        {
            this.record = record;
            var r = new RecordReader(record);
            Index = r.Int();
            Id = r.Long();
            Parent = r.Long();
            Channel = (Channel)r.Int();
            Marker = (StepMarker)r.Int();
            flags = r.Int();
            Branch = r.Int();
            Text = r.Text();
            Begin = r.Long();
            End = r.Long();
            Rewind = r.Long();
            BeginTime = TimeSpan.FromSeconds(r.Double());
            EndTime = TimeSpan.FromSeconds(r.Double());
            MeanLogProbability = r.Float();
            LowestLogProbability = r.Float();
            MeanEntropy = r.Float();
            Confidence = r.Float();
        }

        /// <summary>Its number in <see cref="Session.Steps"/>.</summary>
        public int Index { get; }
        /// <summary>Never used again in this session or its forks.</summary>
        public long Id { get; }
        /// <summary>Id of the step before it in its branch; -1: the first.</summary>
        public long Parent { get; }
        /// <summary>Where it belongs: the thinking.</summary>
        public Channel Channel { get; }
        /// <summary>What it is, by its opening words.</summary>
        public StepMarker Marker { get; }
        /// <summary>The branch that it was drawn in.</summary>
        public int Branch { get; }
        /// <summary>Its text.</summary>
        public string Text { get; }
        /// <summary>First position.</summary>
        public long Begin { get; }
        /// <summary>One past the last position.</summary>
        public long End { get; }
        /// <summary>The position for <see cref="Session.Rewind"/> to draw this step again.</summary>
        public long Rewind { get; }
        /// <summary>When it began, since the request's beginning.</summary>
        public TimeSpan BeginTime { get; }
        /// <summary>When it ended.</summary>
        public TimeSpan EndTime { get; }
        /// <summary>Nats per token.</summary>
        public float MeanLogProbability { get; }
        /// <summary>Of its least likely token.</summary>
        public float LowestLogProbability { get; }
        /// <summary>Nats.</summary>
        public float MeanEntropy { get; }
        /// <summary>The geometric mean probability of its tokens, 0..1.</summary>
        public float Confidence { get; }
        /// <summary>A rewind left it; it stays readable.</summary>
        public bool Discarded => (flags & 1) != 0;
        /// <summary>It holds forced or injected tokens.</summary>
        public bool Forced => (flags & 2) != 0;
        /// <summary>Its end has not come yet.</summary>
        public bool Open => (flags & 4) != 0;

        /// <summary>One object of JSON, the same bytes in every language.</summary>
        public string ToJson() => Library.Call(() => Utf8.Decode(Crossing.StepJson(record)));

        /// <summary>Number and text.</summary>
        public override string ToString() => $"step {Index + 1}: {Text}";
    }

    /// <summary>The record of one token of a session.</summary>
    public sealed class Token
    {
        internal Token(byte[] record)
        {
            var r = new RecordReader(record);
            Id = r.Int();
            Position = r.Long();
            Elapsed = TimeSpan.FromTicks(r.Long() * 10);
            Bytes = r.Bytes();
            Step = r.Int();
            Channel = (Channel)r.Int();
            Source = (TokenSource)r.Int();
            Rank = r.Int();
            LogProbability = r.Float();
            Entropy = r.Float();
            SampledLogProbability = r.Float();
            Branch = r.Int();
            Alternatives = Alternative.List(r.Ints(), r.Floats());
            Experts = ExpertUse.List(r.Ints(), r.Ints(), r.Floats());
        }

        /// <summary>Id in the model's vocabulary.</summary>
        public int Id { get; }
        /// <summary>Its place in the session.</summary>
        public long Position { get; }
        /// <summary>Time since its request began.</summary>
        public TimeSpan Elapsed { get; }
        /// <summary>Its own bytes, perhaps a part of a code point.</summary>
        public ReadOnlyMemory<byte> Bytes { get; }
        /// <summary>Its bytes as text; a part of a code point is U+FFFD.</summary>
        public string Text => Utf8.Decode(Bytes.ToArray());
        /// <summary>Index of the step, -1 outside the thinking.</summary>
        public int Step { get; }
        /// <summary>Where it belongs.</summary>
        public Channel Channel { get; }
        /// <summary>Who chose it.</summary>
        public TokenSource Source { get; }
        /// <summary>-1: not computed.</summary>
        public int Rank { get; }
        /// <summary>Nats; NaN: not computed, as the next two.</summary>
        public float LogProbability { get; }
        /// <summary>Nats.</summary>
        public float Entropy { get; }
        /// <summary>Nats, after the whole sampling chain.</summary>
        public float SampledLogProbability { get; }
        /// <summary>The branch that it was drawn in.</summary>
        public int Branch { get; }
        /// <summary>The most likely tokens at its place, where they were asked for.</summary>
        public IReadOnlyList<Alternative> Alternatives { get; }
        /// <summary>Who computed it, where it was asked for.</summary>
        public IReadOnlyList<ExpertUse> Experts { get; }
    }

    /// <summary>The bill of a request.</summary>
    public sealed class Usage
    {
        internal Usage(byte[] record)
        {
            var r = new RecordReader(record);
            PromptTokens = r.Long();
            CachedTokens = r.Long();
            ThinkingTokens = r.Long();
            AnswerTokens = r.Long();
            ForcedTokens = r.Long();
            DiscardedTokens = r.Long();
            Passes = r.Long();
            PromptTime = TimeSpan.FromSeconds(r.Double());
            ThinkingTime = TimeSpan.FromSeconds(r.Double());
            AnswerTime = TimeSpan.FromSeconds(r.Double());
            TotalTime = TimeSpan.FromSeconds(r.Double());
        }

        /// <summary>The whole prompt.</summary>
        public long PromptTokens { get; }
        /// <summary>Of it, reused from earlier.</summary>
        public long CachedTokens { get; }
        /// <summary>In the live branch, tags not counted.</summary>
        public long ThinkingTokens { get; }
        /// <summary>In the live branch.</summary>
        public long AnswerTokens { get; }
        /// <summary>Forced or injected.</summary>
        public long ForcedTokens { get; }
        /// <summary>Left behind by rewinds.</summary>
        public long DiscardedTokens { get; }
        /// <summary>Forward passes that this session took part in.</summary>
        public long Passes { get; }
        /// <summary>Processing the prompt.</summary>
        public TimeSpan PromptTime { get; }
        /// <summary>Thinking.</summary>
        public TimeSpan ThinkingTime { get; }
        /// <summary>Answering.</summary>
        public TimeSpan AnswerTime { get; }
        /// <summary>From the request's beginning to its latest event.</summary>
        public TimeSpan TotalTime { get; }
    }

    /// <summary>The final answer and where the thinking first states it.</summary>
    public readonly struct Answer
    {
        internal Answer(byte[] record)
        {
            var r = new RecordReader(record);
            Text = r.Text();
            Step = r.Int();
        }

        /// <summary>The answer in the model's own form: the last \boxed{}, else what the text says.</summary>
        public string Text { get; }
        /// <summary>Index of the first step that states it, -1 if none does.</summary>
        public int Step { get; }

        /// <summary>The text.</summary>
        public override string ToString() => Text;
    }
}
