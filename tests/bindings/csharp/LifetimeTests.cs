// Who frees what, and when: use after dispose, dispose beside a running call, any order, no leak, and a
// garbage collector that never rests.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace Raison.Tests
{
    internal static class LifetimeTests
    {
        [Test]
        private static void DisposingTwiceIsFine()
        {
            Model model = Model.Load(null, new ModelOptions { Load = LoadMode.Copy });
            Session session = model.CreateSession();
            session.Dispose();
            session.Dispose();
            model.Dispose();
            model.Dispose();
        }

        [Test]
        private static void UseAfterDisposeIsObjectDisposedException()
        {
            Model model = Model.Load();
            Session session = model.CreateSession();
            EventStream stream = session.Ask(Fixture.Question, Fixture.Greedy());
            Event e = session.Next();
            session.Dispose();
            var uses = new List<Action>
            {
                () => session.Ask("x"), () => session.Prompt(new[] { new Message(Role.User, "x") }),
                () => session.PromptText("x"), () => session.Next(), () => session.Run(), () => session.EndThinking(),
                () => session.Stop(), () => session.Inject("x"), () => session.Rewind(0),
                () => session.Rewind(0, new GenerateOptions()), () => session.Fork(), () => session.Cancel(),
                () => _ = session.Running, () => _ = session.Position, () => _ = session.StepCount,
                () => session.GetStep(0), () => _ = session.Steps, () => session.StepExperts(0),
                () => session.GetToken(0), () => _ = session.Tokens, () => _ = session.Thinking, () => _ = session.AnswerText,
                () => _ = session.Answer, () => _ = session.Usage, () => _ = session.Options, () => session.Logits(),
                () => stream.Count(), () => Session.StepAll(new[] { session }).Count(),
            };
            model.Dispose();
            uses.AddRange(new Action[]
            {
                () => model.CreateSession(), () => _ = model.Info, () => _ = model.Tensors, () => model.Plan(),
                () => model.Tokenize("x"), () => model.Detokenize(new[] { 1 }), () => model.TokenText(1),
                () => model.Render(new[] { new Message(Role.User, "x") }),
            });
            for (int i = 0; i < uses.Count; ++i) Check.Throws<ObjectDisposedException>(uses[i], $"use {i}");
            Check.True(e.ToJson().Length > 0, "an event is a value");
        }

        [Test]
        private static void AnyOrderIsFine()
        {
            Model model = Model.Load();
            Session session = model.CreateSession();
            model.Dispose();
            session.Ask(Fixture.Question, Fixture.Greedy());
            Session fork = session.Fork();
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), "a session keeps its model");
            session.Dispose();
            fork.Run();
            fork.Dispose();
        }

        [Test]
        private static void AHandlerMayDispose()
        {
            Session session = Fixture.Model.CreateSession();
            int tokens = 0;
            session.TokenGenerated += (sender, e) => { if (++tokens == 2) ((Session)sender!).Dispose(); };
            session.Ask(Fixture.Question, Fixture.Greedy());
            Check.Throws<ObjectDisposedException>(() => session.Run());
            Check.Equal(2, tokens);
        }

        [Test]
        private static void DisposingOfOneOfManyEndsTheLoop()
        {
            List<Session> group = Enumerable.Range(0, 3).Select(_ => Fixture.Model.CreateSession()).ToList();
            group.ForEach(s => s.Ask(Fixture.Question, Fixture.Greedy()));
            int seen = 0;
            Check.Throws<ObjectDisposedException>(() =>
            {
                foreach (var _ in Session.StepAll(group))
                    if (++seen == 5) group[1].Dispose();
            });
            Check.Equal(5, seen);
            group.ForEach(s => s.Dispose());
        }

        // Under load: a second thread disposes of the session while the first is inside Next.
        [Test]
        private static void DisposingBesideARunningCallCancelsAndThenFrees()
        {
            string text = string.Concat(Enumerable.Repeat("All work and no play. ", 30));
            for (int round = 0; round < 60; ++round)
            {
                Session session = Fixture.Model.CreateSession();
                session.PromptText(text, new GenerateOptions { WaitMs = 60_000, Temperature = 0, MaxTokens = 500 });
                Exception? other = null;
                var inside = new Thread(() =>
                {
                    try
                    {
                        while (session.Next().Kind != EventKind.Done) { }
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                    catch (Exception error)
                    {
                        other = error;
                    }
                });
                inside.Start();
                if (round % 3 > 0) Thread.Sleep(round % 7);
                session.Dispose();
                Check.True(inside.Join(TimeSpan.FromSeconds(10)), "the call came back");
                Check.Equal(null, other, $"round {round}");
            }
        }

        [Test]
        private static async Task DisposingBesideAnAwaitedLoopEndsIt()
        {
            for (int round = 0; round < 20; ++round)
            {
                Session session = Fixture.Model.CreateSession();
                Task dispose = Task.CompletedTask;
                int seen = 0;
                try
                {
                    await foreach (Event e in session.Ask(Fixture.Question, Fixture.Greedy()))
                        if (++seen == 3) dispose = Task.Run(session.Dispose);
                    // The thread was slow: the loop went to its end.
                    await dispose;
                }
                catch (ObjectDisposedException)
                {
                }
                await dispose;
                Check.True(seen >= 3, "it began");
                Check.Throws<ObjectDisposedException>(() => session.Next());
            }
        }

        [Test]
        private static void DisposingBesideSessionsThatStepTogetherIsFine()
        {
            for (int round = 0; round < 20; ++round)
            {
                List<Session> group = Enumerable.Range(0, 4).Select(_ => Fixture.Model.CreateSession()).ToList();
                group.ForEach(s => s.Ask(Fixture.Question, Fixture.Greedy(40)));
                var other = new Thread(() => group.ForEach(s => s.Dispose()));
                Check.Throws<ObjectDisposedException>(() =>
                {
                    int seen = 0;
                    foreach (var _ in Session.StepAll(group))
                        if (++seen == 3) other.Start();
                    other.Join();
                    group[0].Next();  // they were quicker than the thread
                });
                other.Join();
            }
        }

        [Test]
        private static void DisposingTheModelBesideItsCallsIsFine()
        {
            string text = string.Concat(Enumerable.Repeat("12 * 13 = 156. ", 2000));
            for (int round = 0; round < 20; ++round)
            {
                Model model = Model.Load();
                int good = 0;
                Exception? other = null;
                var threads = Enumerable.Range(0, 3).Select(_ => new Thread(() =>
                {
                    try
                    {
                        while (true)
                        {
                            model.Tokenize(text);
                            Interlocked.Increment(ref good);
                        }
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                    catch (Exception error)
                    {
                        other = error;
                    }
                })).ToList();
                threads.ForEach(t => t.Start());
                while (Volatile.Read(ref good) < 3) Thread.Yield();
                model.Dispose();
                threads.ForEach(t => t.Join());
                Check.Equal(null, other, $"round {round}");
            }
        }

        [Test]
        private static void EightSessionsOnEightThreads()
        {
            using Session alone = Fixture.Model.CreateSession();
            alone.Ask(Fixture.Question, Fixture.Greedy());
            string expected = alone.Run();
            var answers = new string[8];
            var threads = Enumerable.Range(0, answers.Length).Select(i => new Thread(() =>
            {
                using Session session = Fixture.Model.CreateSession();
                session.Ask(Fixture.Question, Fixture.Greedy());
                answers[i] = session.Run();
            })).ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
            Check.Same(Enumerable.Repeat(expected, answers.Length), answers, "the same bits");
        }

        [Test]
        private static void ACollectorThatNeverRestsChangesNothing()
        {
            using Session alone = Fixture.Model.CreateSession();
            alone.Ask(Fixture.Question, Fixture.Greedy());
            string expected = alone.Run();
            bool over = false;
            var collector = new Thread(() =>
            {
                while (!Volatile.Read(ref over))
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                }
            });
            collector.Start();
            try
            {
                for (int i = 0; i < 5; ++i)
                {
                    Forgotten();
                    using Session session = Fixture.Model.CreateSession();
                    Check.Equal(expected, session.Ask(Fixture.Question, Fixture.Greedy())
                        .Where(e => e.Kind == EventKind.Token && e.Channel == Channel.Answer)
                        .Aggregate("", (text, e) => text + e.Text), $"round {i}");
                }
            }
            finally
            {
                Volatile.Write(ref over, true);
                collector.Join();
            }
        }

        // Nobody disposes of these: finalizers free them.
        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Forgotten()
        {
            Model model = Model.Load();
            Session session = model.CreateSession();
            session.Ask(Fixture.Question, Fixture.Greedy(3)).Count();
            session.Fork();
        }
    }
}
