using System;

namespace Raison
{
    /// <summary>How a model is loaded. Null means: the library's choice.</summary>
    public sealed class ModelOptions
    {
        /// <summary>A name from <see cref="Library.Devices"/>, or a split: "cuda:0=20,cpu".</summary>
        public string? Device { get; set; }
        /// <summary>
        /// The device of all routed experts, or a split of each layer's: "cuda:0=96,cpu", "own=96,cpu" (the first
        /// 96 with their layer); null: all with their layers.
        /// </summary>
        public string? Experts { get; set; }
        /// <summary>A folder to look for plug-ins in first, or one's file.</summary>
        public string? BackendPath { get; set; }
        /// <summary>A Jinja template used instead of the file's.</summary>
        public string? ChatTemplate { get; set; }
        /// <summary>Threads of the CPU; null: as many as the process may use.</summary>
        public int? Threads { get; set; }
        /// <summary>Of sessions that name none; null: the model's own, at most 32,768.</summary>
        public int? ContextLength { get; set; }
        /// <summary>
        /// Limit of all sessions' caches, taken as they grow; null: half of what the weights leave free, but one
        /// whole context where there is room for it, and at most 64 sessions' whole contexts.
        /// </summary>
        public long? KvBytes { get; set; }
        /// <summary>The element type of the caches.</summary>
        public KvType KvType { get; set; }
        /// <summary>How the file is read.</summary>
        public LoadMode Load { get; set; }
        /// <summary>False: weights are used as they lie in the file. True: repacked where that is faster.</summary>
        public bool Repack { get; set; } = true;
        /// <summary>Prefix reuse and other chunkings are bit-identical too, at some cost in speed.</summary>
        public bool Exact { get; set; }
        /// <summary>
        /// Takes the library's log, on the threads that call this library, one line at a time: after each
        /// call, what was said meanwhile. What it throws is dropped.
        /// </summary>
        public Action<LogLevel, string>? Log { get; set; }

        internal byte[] ToRecord() =>
            new RecordWriter()
                .Text(Device, nameof(Device))
                .Text(Experts, nameof(Experts))
                .Text(BackendPath, nameof(BackendPath))
                .Text(ChatTemplate, nameof(ChatTemplate))
                .Int(Unset.Or(Threads, nameof(Threads)))
                .Int(ContextLength.HasValue ? Unset.Or(ContextLength, nameof(ContextLength)) : 0)
                .ULong(Bytes(KvBytes))
                .Int((int)KvType)
                .Int((int)Load)
                .Bool(Repack)
                .Bool(Exact)
                .ToArray();

        private static ulong Bytes(long? value) => value switch
        {
            null => 0,
            long bytes when bytes > 0 => (ulong)bytes,
            _ => throw new ArgumentOutOfRangeException(nameof(KvBytes), value, "wanted a positive number of bytes"),
        };
    }

    /// <summary>How far a load is.</summary>
    public readonly struct LoadProgress
    {
        internal LoadProgress(long done, long total)
        {
            Done = done;
            Total = total;
        }

        /// <summary>Bytes that are loaded.</summary>
        public long Done { get; }
        /// <summary>Bytes that there are.</summary>
        public long Total { get; }
    }

    internal static class Unset
    {
        internal const int Int = -1;

        // -1 is "not set" to the library, which nobody can have meant by a number.
        internal static int Or(int? value, string name)
        {
            if (value < 0) throw new ArgumentOutOfRangeException(name, value, "wanted a number that is not negative");
            return value ?? Int;
        }

        internal static float Or(float? value, string name)
        {
            if (value.HasValue && float.IsNaN(value.Value))
                throw new ArgumentOutOfRangeException(name, value, "wanted a number");
            return value ?? float.NaN;
        }
    }
}
