using System.Collections.Generic;

namespace Raison
{
    /// <summary>What a model is.</summary>
    public sealed class ModelInfo
    {
        internal ModelInfo(byte[] record)
        {
            var r = new RecordReader(record);
            ContextLength = r.Int();
            Architecture = r.Text();
            Name = r.Text();
            Path = r.Text();
            Type = r.Text();
            Device = r.Text();
            ChatTemplate = r.Text();
            Parameters = r.Long();
            ActiveParameters = r.Long();
            FileBytes = r.Long();
            WeightBytes = r.Long();
            KvBytesPerToken = r.Long();
            KvBytesLimit = r.Long();
            KvBytesUsed = r.Long();
            Passes = r.Long();
            Tensors = r.Long();
            Vocabulary = r.Int();
            Layers = r.Int();
            Hidden = r.Int();
            Heads = r.Int();
            KvHeads = r.Int();
            Experts = r.Int();
            ExpertsUsed = r.Int();
            ExpertsShared = r.Int();
            DenseLayers = r.Int();
            Threads = r.Int();
            BosToken = r.Int();
            EosToken = r.Int();
            ThinkBeginToken = r.Int();
            ThinkEndToken = r.Int();
            Temperature = r.Float();
            TopP = r.Float();
            MinP = r.Float();
            RepetitionPenalty = r.Float();
            TopK = r.Int();
            SamplingFromFile = r.Bool();
        }

        /// <summary>The model's own limit, in tokens.</summary>
        public int ContextLength { get; }
        /// <summary>"deepseek_v3", "llama", "qwen2".</summary>
        public string Architecture { get; }
        /// <summary>The file's name for it.</summary>
        public string Name { get; }
        /// <summary>The file or folder; "memory" for a model loaded from bytes.</summary>
        public string Path { get; }
        /// <summary>The element type that most weights have.</summary>
        public string Type { get; }
        /// <summary>What it was loaded on.</summary>
        public string Device { get; }
        /// <summary>Its chat template; empty: none.</summary>
        public string ChatTemplate { get; }
        /// <summary>All of its parameters.</summary>
        public long Parameters { get; }
        /// <summary>Those that one token meets.</summary>
        public long ActiveParameters { get; }
        /// <summary>Size of the file or files.</summary>
        public long FileBytes { get; }
        /// <summary>Memory that the weights take.</summary>
        public long WeightBytes { get; }
        /// <summary>Cache of one session per token.</summary>
        public long KvBytesPerToken { get; }
        /// <summary>Limit of all sessions' caches.</summary>
        public long KvBytesLimit { get; }
        /// <summary>What they take now.</summary>
        public long KvBytesUsed { get; }
        /// <summary>Forward passes since the load.</summary>
        public long Passes { get; }
        /// <summary>How many tensors the file has.</summary>
        public long Tensors { get; }
        /// <summary>Tokens of the vocabulary.</summary>
        public int Vocabulary { get; }
        /// <summary>Layers.</summary>
        public int Layers { get; }
        /// <summary>Width of a token between layers.</summary>
        public int Hidden { get; }
        /// <summary>Heads of attention.</summary>
        public int Heads { get; }
        /// <summary>Heads of keys and values; 1 for MLA.</summary>
        public int KvHeads { get; }
        /// <summary>Routed experts of a layer; 0: a dense model.</summary>
        public int Experts { get; }
        /// <summary>Of these, per token.</summary>
        public int ExpertsUsed { get; }
        /// <summary>Shared experts.</summary>
        public int ExpertsShared { get; }
        /// <summary>Leading layers without experts.</summary>
        public int DenseLayers { get; }
        /// <summary>Threads of the CPU.</summary>
        public int Threads { get; }
        /// <summary>Begin of text; -1: none, as the next three.</summary>
        public int BosToken { get; }
        /// <summary>End of text.</summary>
        public int EosToken { get; }
        /// <summary>Opens the thinking; -1 also if the tag is more than one token.</summary>
        public int ThinkBeginToken { get; }
        /// <summary>Closes the thinking.</summary>
        public int ThinkEndToken { get; }
        /// <summary>What an unset temperature becomes; so the next four.</summary>
        public float Temperature { get; }
        /// <summary>Top-p.</summary>
        public float TopP { get; }
        /// <summary>Min-p.</summary>
        public float MinP { get; }
        /// <summary>Repetition penalty.</summary>
        public float RepetitionPenalty { get; }
        /// <summary>Top-k.</summary>
        public int TopK { get; }
        /// <summary>The file recommends at least one of them.</summary>
        public bool SamplingFromFile { get; }

        /// <summary>One line.</summary>
        public override string ToString() => $"{Name} ({Architecture}, {Type})";
    }

    /// <summary>One tensor of a model's file.</summary>
    public sealed class TensorInfo
    {
        internal TensorInfo(byte[] record)
        {
            var r = new RecordReader(record);
            Name = r.Text();
            Type = r.Text();
            Shape = r.Longs();
            Bytes = r.Long();
        }

        /// <summary>Its name.</summary>
        public string Name { get; }
        /// <summary>Its element type: "Q4_K".</summary>
        public string Type { get; }
        /// <summary>Outermost dimension first.</summary>
        public IReadOnlyList<long> Shape { get; }
        /// <summary>Its size.</summary>
        public long Bytes { get; }
    }

    /// <summary>A device that a model can be loaded on.</summary>
    public sealed class Device
    {
        internal Device(ref RecordReader r)
        {
            Kind = (DeviceKind)r.Int();
            Name = r.Text();
            Description = r.Text();
            Driver = r.Text();
            Problem = r.Text();
            MemoryTotal = r.Long();
            MemoryFree = r.Long();
        }

        /// <summary>What it is.</summary>
        public DeviceKind Kind { get; }
        /// <summary>For <see cref="ModelOptions.Device"/>.</summary>
        public string Name { get; }
        /// <summary>In words.</summary>
        public string Description { get; }
        /// <summary>The driver's version; empty: none is involved.</summary>
        public string Driver { get; }
        /// <summary>Why it cannot be used; empty: it can.</summary>
        public string Problem { get; }
        /// <summary>Bytes.</summary>
        public long MemoryTotal { get; }
        /// <summary>Bytes, when the list was taken.</summary>
        public long MemoryFree { get; }
    }
}
