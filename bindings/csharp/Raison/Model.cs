using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Raison
{
    /// <summary>A loaded model: immutable, shared by any number of sessions and threads.</summary>
    /// <remarks>
    /// Disposing of it gives it up; its memory goes when its sessions are disposed of too, in any order.
    /// </remarks>
    public sealed class Model : IDisposable
    {
        // Often enough for a bar that moves.
        private const int PollMilliseconds = 30;

        private readonly NativeModel native;
        private readonly Log? log;
        private int disposed;

        private Model(NativeModel native, Log? log)
        {
            this.native = native;
            this.log = log;
        }

        /// <summary>Loads a model.</summary>
        /// <param name="path">A GGUF file or a Hugging Face folder; null: the built-in model.</param>
        /// <param name="options">How; null: the defaults.</param>
        /// <param name="progress">Told how far it is, from this thread.</param>
        /// <param name="cancellation">Ends the load with an <see cref="OperationCanceledException"/>.</param>
        public static Model Load(string? path = null, ModelOptions? options = null,
            IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
        {
            if (path == "")
                throw RaisonException.Of(
                    new NativeError((int)Status.NotFound, "path: empty; null is the built-in model"), path);
            byte[] name = Utf8.Encode(path ?? "", nameof(path));
            return Load(loading => loading.RunFile(name), path, options, progress, cancellation);
        }

        /// <summary>Loads the bytes of a GGUF file; they are copied.</summary>
        /// <param name="bytes">All bytes of the file.</param>
        /// <param name="options">How; null: the defaults.</param>
        /// <param name="progress">Told how far it is, from this thread.</param>
        /// <param name="cancellation">Ends the load with an <see cref="OperationCanceledException"/>.</param>
        public static Model FromBytes(byte[] bytes, ModelOptions? options = null,
            IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default)
        {
            if (bytes == null) throw new ArgumentNullException(nameof(bytes));
            return Load(loading => loading.RunBytes(bytes), null, options, progress, cancellation);
        }

        /// <summary>As <see cref="Load(string, ModelOptions, IProgress{LoadProgress}, CancellationToken)"/>, on
        /// the thread pool.</summary>
        /// <param name="path">A GGUF file or a Hugging Face folder; null: the built-in model.</param>
        /// <param name="options">How; null: the defaults.</param>
        /// <param name="progress">Told how far it is.</param>
        /// <param name="cancellation">Ends the load with an <see cref="OperationCanceledException"/>.</param>
        public static Task<Model> LoadAsync(string? path = null, ModelOptions? options = null,
            IProgress<LoadProgress>? progress = null, CancellationToken cancellation = default) =>
            Task.Run(() => Load(path, options, progress, cancellation));

        private static Model Load(Func<NativeLoading, NativeModel> run, string? path, ModelOptions? options,
            IProgress<LoadProgress>? progress, CancellationToken cancellation)
        {
            cancellation.ThrowIfCancellationRequested();
            Library.CheckVersion();
            options ??= new ModelOptions();
            byte[] record = options.ToRecord();
            Log? log = options.Log != null ? new Log(options.Log) : null;
            try
            {
                using NativeLoading loading =
                    log != null ? new NativeLoading(record, log.Native) : new NativeLoading(record);
                using CancellationTokenRegistration registration = cancellation.Register(loading.Cancel);
                NativeModel native = progress == null && log == null
                    ? run(loading)
                    : Watched(loading, run, progress, log);
                log?.Emit();
                return new Model(native, log);
            }
            catch (NativeError error)
            {
                log?.Emit();
                log?.Dispose();
                cancellation.ThrowIfCancellationRequested();
                throw RaisonException.Of(error, path);
            }
        }

        // The load runs on a thread of its own; this one asks and tells.
        private static NativeModel Watched(NativeLoading loading, Func<NativeLoading, NativeModel> run,
            IProgress<LoadProgress>? progress, Log? log)
        {
            Task<NativeModel> task = Task.Factory.StartNew(() => run(loading), CancellationToken.None,
                TaskCreationOptions.LongRunning, TaskScheduler.Default);
            long told = -1;
            bool over;
            try
            {
                do
                {
                    over = ((IAsyncResult)task).AsyncWaitHandle.WaitOne(PollMilliseconds);
                    long total = loading.Total(), done = loading.Done();
                    if (done != told && total > 0) progress?.Report(new LoadProgress(told = done, total));
                    log?.Emit();
                } while (!over);
            }
            catch
            {
                // The user's progress threw: the load is not wanted any more, and must be over before we leave.
                loading.Cancel();
                if (((Task)task).ContinueWith(t => !t.IsFaulted, TaskScheduler.Default).Result) task.Result.Dispose();
                throw;
            }
            return task.GetAwaiter().GetResult();
        }

        /// <summary>Makes a new, empty session.</summary>
        /// <param name="contextLength">In tokens; null: the model option's, else the model's own.</param>
        public Session CreateSession(int? contextLength = null)
        {
            NativeModel open = Open();
            byte[] record = new RecordWriter()
                .Int(contextLength.HasValue ? Unset.Or(contextLength, nameof(contextLength)) : 0).ToArray();
            var session = new Session(Library.Call(() => new NativeSession(open, record)), log);
            log?.Emit();
            return session;
        }

        /// <summary>Sizes, types, ids and recommended sampling.</summary>
        public ModelInfo Info
        {
            get
            {
                NativeModel open = Open();
                return new ModelInfo(Library.Call(open.Info));
            }
        }

        /// <summary>The tensors of the file, in its order.</summary>
        public IReadOnlyList<TensorInfo> Tensors
        {
            get
            {
                NativeModel open = Open();
                var tensors = new TensorInfo[Info.Tensors];
                for (int i = 0; i < tensors.Length; ++i)
                {
                    int index = i;
                    tensors[i] = new TensorInfo(Library.Call(() => open.Tensor(index)));
                }
                return tensors;
            }
        }

        /// <summary>Which device holds and computes what, and how many bytes it takes.</summary>
        /// <param name="format">For people or as JSON.</param>
        /// <param name="contextLength">Null: the sessions' default.</param>
        /// <param name="sessions">For so many sessions.</param>
        public string Plan(PlanFormat format = PlanFormat.Text, int? contextLength = null, int sessions = 1)
        {
            NativeModel open = Open();
            int context = contextLength.HasValue ? Unset.Or(contextLength, nameof(contextLength)) : 0;
            int count = Unset.Or(sessions, nameof(sessions));
            return Utf8.Decode(Library.Call(() => open.Plan((int)format, context, count)));
        }

        /// <summary>Turns text into tokens.</summary>
        /// <param name="text">Any text.</param>
        /// <param name="special">Strings of special tokens in the text become those tokens.</param>
        /// <param name="bos">Begin with the begin-of-text token, if the model uses one.</param>
        public int[] Tokenize(string text, bool special = false, bool bos = false) =>
            Tokenize(Utf8.Encode(text, nameof(text)), special, bos);

        /// <summary>Turns bytes into tokens; they need not be valid UTF-8.</summary>
        /// <param name="bytes">Any bytes.</param>
        /// <param name="special">Strings of special tokens in the text become those tokens.</param>
        /// <param name="bos">Begin with the begin-of-text token, if the model uses one.</param>
        public int[] Tokenize(byte[] bytes, bool special = false, bool bos = false)
        {
            if (bytes == null) throw new ArgumentNullException(nameof(bytes));
            NativeModel open = Open();
            int flags = (special ? 1 : 0) | (bos ? 2 : 0);
            return Library.Call(() => open.Tokenize(bytes, flags));
        }

        /// <summary>The bytes of tokens, which may end inside a code point.</summary>
        /// <param name="tokens">Ids.</param>
        /// <param name="special">Special tokens give their text; otherwise none.</param>
        public byte[] Detokenize(int[] tokens, bool special = false)
        {
            if (tokens == null) throw new ArgumentNullException(nameof(tokens));
            NativeModel open = Open();
            return Library.Call(() => open.Detokenize(tokens, special ? 1 : 0));
        }

        /// <summary>The bytes of one token, special ones too; perhaps a part of a code point.</summary>
        public byte[] TokenText(int token)
        {
            NativeModel open = Open();
            return Library.Call(() => open.TokenText(token));
        }

        /// <summary>The text that the chat template makes of a conversation.</summary>
        /// <param name="messages">The whole conversation.</param>
        /// <param name="options">Of which thinking, template arguments and continue-last count.</param>
        public string Render(IEnumerable<Message> messages, GenerateOptions? options = null)
        {
            NativeModel open = Open();
            byte[] record = GenerateOptions.ToRecord(options);
            return Library.Call(() =>
            {
                using NativeMessages native = Message.ToNative(messages);
                return Utf8.Decode(open.Render(native, record));
            });
        }

        /// <summary>Gives the model up. Calls on other threads end first.</summary>
        public void Dispose()
        {
            if (Interlocked.Exchange(ref disposed, 1) != 0) return;
            native.Dispose();
        }

        private NativeModel Open()
        {
            if (Volatile.Read(ref disposed) != 0) throw new ObjectDisposedException(nameof(Model));
            return native;
        }
    }
}
