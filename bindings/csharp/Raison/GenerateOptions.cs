using System.Collections.Generic;

namespace Raison
{
    /// <summary>
    /// Options of one request. Null means "not set": what the model's file recommends, else the default
    /// that raison.h names.
    /// </summary>
    public sealed class GenerateOptions
    {
        /// <summary>How long one native call may wait, so that a cancellation is seen.</summary>
        private const int WaitMilliseconds = 50;

        /// <summary>Thinking and answer together; null: until the context is full.</summary>
        public int? MaxTokens { get; set; }
        /// <summary>A draw depends on seed, branch and position and nothing else.</summary>
        public ulong Seed { get; set; }
        /// <summary>Null: 0 in a new session, the next free number after a fork or rewind.</summary>
        public int? Branch { get; set; }
        /// <summary>0: always the most likely token.</summary>
        public float? Temperature { get; set; }
        /// <summary>1: off.</summary>
        public float? TopP { get; set; }
        /// <summary>0: off.</summary>
        public float? MinP { get; set; }
        /// <summary>1: off.</summary>
        public float? RepetitionPenalty { get; set; }
        /// <summary>0: off.</summary>
        public float? PresencePenalty { get; set; }
        /// <summary>0: off.</summary>
        public float? FrequencyPenalty { get; set; }
        /// <summary>0: off.</summary>
        public int? TopK { get; set; }
        /// <summary>Tokens the penalties look back on; 0: all.</summary>
        public int? PenaltyLastN { get; set; }
        /// <summary>The order of the sampling chain.</summary>
        public SamplingOrder SamplingOrder { get; set; }
        /// <summary>Token and what is added to its logit; negative infinity forbids it.</summary>
        public IDictionary<int, float>? LogitBias { get; set; }
        /// <summary>Texts that end the request, looked for in the answer.</summary>
        public ICollection<string>? Stop { get; set; }
        /// <summary>Whether the model thinks.</summary>
        public ThinkingMode Thinking { get; set; }
        /// <summary>Past so many tokens the thinking ends at the next step boundary.</summary>
        public int? ThinkBudgetSoft { get; set; }
        /// <summary>At most so many tokens of thinking; 0: none.</summary>
        public int? ThinkBudgetHard { get; set; }
        /// <summary>No closing tag before so many tokens.</summary>
        public int? ThinkMinimum { get; set; }
        /// <summary>Tokens that the thinking may not take.</summary>
        public int? AnswerReserve { get; set; }
        /// <summary>What goes in where <see cref="ThinkMinimum"/> replaces a closing tag; null: "Wait".</summary>
        public string? Continuation { get; set; }
        /// <summary>A JSON object of extra template variables.</summary>
        public string? TemplateArguments { get; set; }
        /// <summary>Record which experts computed each token.</summary>
        public bool TraceExperts { get; set; }
        /// <summary>Record the prompt's tokens too: nothing of it is reused.</summary>
        public bool TracePrompt { get; set; }
        /// <summary>Most likely tokens in each record, 0..64.</summary>
        public int? Alternatives { get; set; }
        /// <summary>When the text of the thinking is handed out.</summary>
        public Release Release { get; set; }
        /// <summary><see cref="Session.Next"/> waits at most so long; null: 50.</summary>
        public int? WaitMs { get; set; }
        /// <summary>With rewind and fork: the token that followed there is not drawn again as the first one.</summary>
        public bool ExcludeFirstToken { get; set; }
        /// <summary>Go on from the end of the assistant's last message.</summary>
        public bool ContinueLast { get; set; }

        internal static byte[] ToRecord(GenerateOptions? options) => (options ?? new GenerateOptions()).ToRecord();

        private byte[] ToRecord()
        {
            RecordWriter w = new RecordWriter()
                .Int(Unset.Or(MaxTokens, nameof(MaxTokens)))
                .ULong(Seed)
                .Int(Unset.Or(Branch, nameof(Branch)))
                .Float(Unset.Or(Temperature, nameof(Temperature)))
                .Float(Unset.Or(TopP, nameof(TopP)))
                .Float(Unset.Or(MinP, nameof(MinP)))
                .Float(Unset.Or(RepetitionPenalty, nameof(RepetitionPenalty)))
                .Float(Unset.Or(PresencePenalty, nameof(PresencePenalty)))
                .Float(Unset.Or(FrequencyPenalty, nameof(FrequencyPenalty)))
                .Int(Unset.Or(TopK, nameof(TopK)))
                .Int(Unset.Or(PenaltyLastN, nameof(PenaltyLastN)))
                .Int((int)SamplingOrder);
            // A copy: the caller's dictionary must not change between the two lists.
            var bias = new List<KeyValuePair<int, float>>();
            if (LogitBias != null) bias.AddRange(LogitBias);
            w.Int(bias.Count);
            foreach (KeyValuePair<int, float> pair in bias) w.Int(pair.Key);
            w.Int(bias.Count);
            foreach (KeyValuePair<int, float> pair in bias) w.Float(pair.Value);
            return w.Texts(Stop, nameof(Stop))
                .Int((int)Thinking)
                .Int(Unset.Or(ThinkBudgetSoft, nameof(ThinkBudgetSoft)))
                .Int(Unset.Or(ThinkBudgetHard, nameof(ThinkBudgetHard)))
                .Int(Unset.Or(ThinkMinimum, nameof(ThinkMinimum)))
                .Int(Unset.Or(AnswerReserve, nameof(AnswerReserve)))
                .Text(Continuation, nameof(Continuation))
                .Text(TemplateArguments, nameof(TemplateArguments))
                .Int((TraceExperts ? 1 : 0) | (TracePrompt ? 2 : 0))
                .Int(Unset.Or(Alternatives, nameof(Alternatives)))
                .Int((int)Release)
                .Int(WaitMs.HasValue ? Unset.Or(WaitMs, nameof(WaitMs)) : WaitMilliseconds)
                .Bool(ExcludeFirstToken)
                .Bool(ContinueLast)
                .ToArray();
        }

        internal static GenerateOptions FromRecord(byte[] record)
        {
            var r = new RecordReader(record);
            var o = new GenerateOptions
            {
                MaxTokens = Limit(r.Int()),
                Seed = r.ULong(),
                Branch = Limit(r.Int()),
                Temperature = r.Float(),
                TopP = r.Float(),
                MinP = r.Float(),
                RepetitionPenalty = r.Float(),
                PresencePenalty = r.Float(),
                FrequencyPenalty = r.Float(),
                TopK = Limit(r.Int()),
                PenaltyLastN = Limit(r.Int()),
                SamplingOrder = (SamplingOrder)r.Int(),
            };
            int[] tokens = r.Ints();
            float[] bias = r.Floats();
            if (tokens.Length > 0) o.LogitBias = new Dictionary<int, float>();
            for (int i = 0; i < tokens.Length; ++i) o.LogitBias![tokens[i]] = bias[i];
            o.Stop = r.Texts();
            o.Thinking = (ThinkingMode)r.Int();
            o.ThinkBudgetSoft = Limit(r.Int());
            o.ThinkBudgetHard = Limit(r.Int());
            o.ThinkMinimum = Limit(r.Int());
            o.AnswerReserve = Limit(r.Int());
            o.Continuation = r.Text();
            string arguments = r.Text();
            o.TemplateArguments = arguments.Length > 0 ? arguments : null;
            int trace = r.Int();
            o.TraceExperts = (trace & 1) != 0;
            o.TracePrompt = (trace & 2) != 0;
            o.Alternatives = Limit(r.Int());
            o.Release = (Release)r.Int();
            o.WaitMs = Limit(r.Int());
            o.ExcludeFirstToken = r.Bool();
            o.ContinueLast = r.Bool();
            return o;
        }

        // -1 is left where there is no limit.
        private static int? Limit(int value) => value == Unset.Int ? (int?)null : value;
    }
}
