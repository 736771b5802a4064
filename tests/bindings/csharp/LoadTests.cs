// Loading: good, missing, malformed, watched, cancelled; the log.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Raison.Tests
{
    internal static class LoadTests
    {
        private sealed class Progress : IProgress<LoadProgress>
        {
            internal readonly List<LoadProgress> Told = new List<LoadProgress>();
            internal Action<LoadProgress>? Do;

            public void Report(LoadProgress value)
            {
                Told.Add(value);
                Do?.Invoke(value);
            }
        }

        [Test]
        private static void WhatIsMissingOrMalformedIsTheFrameworksException()
        {
            Check.Throws<FileNotFoundException>(() => Model.Load("/no/such/model.gguf"));
            // An empty setting is not the wish for the built-in model.
            Check.Equal(Status.NotFound, RaisonException.StatusOf(
                Check.Throws<FileNotFoundException>(() => Model.Load(""))));
            string path = Path.GetTempFileName();
            try
            {
                File.WriteAllText(path, "GGUF but not really");
                var error = Check.Throws<InvalidDataException>(() => Model.Load(path));
                Check.Equal(Status.Format, RaisonException.StatusOf(error));
                Check.True(error.InnerException is RaisonException, "with our own inside");
                File.WriteAllText(path, "");
                Check.Throws<InvalidDataException>(() => Model.Load(path));
            }
            finally
            {
                File.Delete(path);
            }
            Check.Throws<InvalidDataException>(() => Model.FromBytes(new byte[100]));
            Check.Throws<InvalidDataException>(() => Model.FromBytes(new byte[0]));
            var device = Check.Throws<RaisonException>(() => Model.Load(null, new ModelOptions { Device = "nowhere:7" }));
            Check.Equal(Status.Device, device.Status);
            Check.Throws<ArgumentException>(() => Model.Load(null, new ModelOptions { KvBytes = -1 }));
            Check.Throws<ArgumentException>(() => Model.Load(null, new ModelOptions { Threads = -2 }));
            Check.Throws<ArgumentException>(() => Model.Load(null, new ModelOptions { Load = (LoadMode)99 }));
        }

        [Test]
        private static void AFileIsLoadedWithoutTheBuiltInModel()
        {
            string path = Fixture.Model.Info.Path;
            SetEnv("RAISON_MODEL_PATH", "/no/such/model", 1);
            try
            {
                Model.Load(path).Dispose();
                Check.Throws<FileNotFoundException>(() => Model.Load());
            }
            finally
            {
                UnsetEnv("RAISON_MODEL_PATH");
            }
        }

        [Test]
        private static void BytesAreAModelToo()
        {
            byte[] bytes = File.ReadAllBytes(Fixture.Model.Info.Path);
            using Model model = Model.FromBytes(bytes);
            Check.Equal("memory", model.Info.Path);
            Array.Clear(bytes, 0, bytes.Length);  // they were copied
            using Session session = model.CreateSession();
            session.Ask(Fixture.Question, Fixture.Greedy());
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), session.Answer.Text);
        }

        [Test]
        private static void OptionsOfALoadArrive()
        {
            using Model model = Model.Load(null, new ModelOptions
            {
                Device = "cpu", Threads = 1, ContextLength = 128, KvBytes = 64 << 20, KvType = KvType.F32,
                Load = LoadMode.Copy, Repack = false, Exact = true,
                ChatTemplate = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}",
            });
            ModelInfo info = model.Info;
            Check.Equal(1, info.Threads);
            Check.Equal(64L << 20, info.KvBytesLimit);
            Check.Equal("cpu", info.Device);
            Check.Equal("<user>x<assistant>y",
                model.Render(new[] { new Message(Role.User, "x"), new Message(Role.Assistant, "y") }));
            using Session session = model.CreateSession();
            var error = Check.Throws<RaisonException>(() => session.PromptText(string.Concat(Enumerable.Repeat("a b ", 200))));
            Check.Equal(Status.Context, error.Status, "the context length");
            Check.True(Fixture.Model.Info.KvBytesPerToken < info.KvBytesPerToken, "F32 takes more");
            using Model header = Model.Load(null, new ModelOptions { Load = LoadMode.Header });
            Check.Equal(Fixture.Model.Info.Parameters, header.Info.Parameters);
            Check.Throws<RaisonException>(() => header.CreateSession(), "without weights");
        }

        [Test]
        private static void ProgressIsToldAndEnds()
        {
            var progress = new Progress();
            int thread = Thread.CurrentThread.ManagedThreadId;
            progress.Do = _ => Check.Equal(thread, Thread.CurrentThread.ManagedThreadId, "the caller's thread");
            using Model model = Model.Load(null, null, progress);
            Check.True(progress.Told.Count > 0, "told");
            LoadProgress last = progress.Told.Last();
            Check.True(last.Total > 0 && last.Done == last.Total, $"{last.Done} of {last.Total}");
            Check.True(progress.Told.All(p => p.Done >= 0 && p.Done <= p.Total), "within the total");
        }

        [Test]
        private static void WhatProgressThrowsReachesTheCaller()
        {
            var mine = new InvalidCastException("mine");
            var progress = new Progress { Do = _ => throw mine };
            Check.Equal(mine, Check.Throws<InvalidCastException>(() => Model.Load(null, null, progress)));
        }

        [Test]
        private static async Task LoadAsyncLoads()
        {
            using Model model = await Model.LoadAsync();
            Check.Equal("Petit", model.Info.Name);
            await Check.ThrowsAsync<FileNotFoundException>(() => Model.LoadAsync("/no/such/model.gguf"));
        }

        [Test]
        private static void ACancelledLoadIsOver()
        {
            // As soon as the load begins; whether it was quicker is not ours to say.
            for (int i = 0; i < 20; ++i)
            {
                using var source = new CancellationTokenSource();
                source.CancelAfter(TimeSpan.FromMilliseconds(i % 5));
                try
                {
                    using Model model = Model.Load(null, new ModelOptions { Load = LoadMode.Copy }, null, source.Token);
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
            throw new Failed("twenty loads were quicker than their cancellation");
        }

        [Test]
        private static void TheLogArrives()
        {
            var lines = new List<(LogLevel Level, string Text)>();
            // .NET keeps an environment of its own, which the library does not see.
            SetEnv("RAISON_CPU", "nonsense", 1);
            try
            {
                Model.Load(null, new ModelOptions { Threads = 1, Log = (level, text) => lines.Add((level, text)) }).Dispose();
                Check.Equal(1, lines.Count(l => l.Level == LogLevel.Warning && l.Text.Contains("nonsense")), "a warning");
                Model.Load(null, new ModelOptions { Threads = 1, Log = (_, __) => throw new Failed("dropped") }).Dispose();
            }
            finally
            {
                UnsetEnv("RAISON_CPU");
            }
            lines.Clear();
            Model.Load(null, new ModelOptions { Threads = 1, Log = (level, text) => lines.Add((level, text)) }).Dispose();
            Check.True(lines.All(l => l.Level > LogLevel.Warning), "nothing to warn of");
        }

        [DllImport("libc", EntryPoint = "setenv")]
        private static extern int SetEnv(string name, string value, int overwrite);
        [DllImport("libc", EntryPoint = "unsetenv")]
        private static extern int UnsetEnv(string name);
    }
}
