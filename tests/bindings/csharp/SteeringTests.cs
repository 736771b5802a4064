// Steering between events, from handlers and from other threads; exceptions pass through unchanged.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Threading;

namespace Raison.Tests
{
    internal static class SteeringTests
    {
        private sealed class Mine : Exception
        {
        }

        private static Session Asked(int maxTokens = 400)
        {
            Session session = Fixture.Model.CreateSession();
            session.Ask(Fixture.Question, Fixture.Greedy(maxTokens));
            return session;
        }

        [Test]
        private static void AVerdictEndsTheThinking()
        {
            using Session session = Asked();
            var ends = new List<ThinkEndReason?>();
            session.EventReceived += (_, e) => { if (e.Kind == EventKind.ThinkEnd) ends.Add(e.ThinkEnd); };
            session.Run((_, e) => e.Kind == EventKind.Token ? Verdict.EndThinking : Verdict.Continue);
            Check.Same(new ThinkEndReason?[] { ThinkEndReason.Caller }, ends, "why");
            Check.True(session.AnswerText.Length > 0, "it answers");
        }

        [Test]
        private static void AVerdictStops()
        {
            using Session session = Asked();
            DoneReason? reason = null;
            session.Run((_, e) =>
            {
                reason = e.Done;
                return e.Kind == EventKind.Token ? Verdict.Stop : Verdict.Continue;
            });
            Check.Equal<DoneReason?>(DoneReason.Stopped, reason);
            session.Ask(Fixture.Question, Fixture.Greedy());
            Check.Throws<ArgumentException>(() => session.Run((_, e) => (Verdict)17), "an unknown verdict");
        }

        [Test]
        private static void AHandlerSteers()
        {
            using Session session = Asked();
            int tokens = 0;
            string step = "";
            session.TokenGenerated += (sender, e) => { if (++tokens == 3) ((Session)sender!).EndThinking(); };
            session.StepCompleted += (sender, s) =>
            {
                step = s.Text;
                ((Session)sender!).Cancel();
            };
            Event last = session.Events.Last();
            Check.Equal(session.Thinking, step, "the step that the first handler cut short");
            Check.Equal<DoneReason?>(DoneReason.Cancelled, last.Done, "what the second one did");
        }

        [Test]
        private static void WhatACallbackThrowsReachesTheCaller()
        {
            using Session session = Asked();
            var mine = new Mine();
            Check.Equal(mine, Check.Throws<Mine>(() => session.Run((_, e) => throw mine)), "from Run");
            session.TokenGenerated += Throw;
            session.Ask(Fixture.Question, Fixture.Greedy());
            Check.Equal(mine, Check.Throws<Mine>(() => session.Events.Count()), "from a handler");
            session.TokenGenerated -= Throw;
            session.Ask(Fixture.Question, Fixture.Greedy());
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), "the session stays usable");
            void Throw(object? sender, Event e) => throw mine;
        }

        [Test]
        private static void AnotherThreadCancels()
        {
            using Session session = Fixture.Model.CreateSession();
            string text = string.Concat(Enumerable.Repeat("All work and no play. ", 60));
            session.PromptText(text, new GenerateOptions { WaitMs = 60_000, Temperature = 0 });
            var watch = new Stopwatch();
            var cancel = new Thread(() =>
            {
                Thread.Sleep(5);
                watch.Start();
                session.Cancel();
            });
            cancel.Start();
            Event last = session.Events.Last();
            watch.Stop();
            cancel.Join();
            Check.Equal<DoneReason?>(DoneReason.Cancelled, last.Done);
            Check.True(watch.Elapsed < TimeSpan.FromMilliseconds(2000), $"soon: {watch.Elapsed}");
            session.Cancel();  // nothing runs: nothing happens
        }

        [Test]
        private static void ASecondThreadIsToldThatTheSessionIsBusy()
        {
            using Session session = Fixture.Model.CreateSession();
            string text = string.Concat(Enumerable.Repeat("All work and no play. ", 100));
            session.PromptText(text, new GenerateOptions { WaitMs = 60_000, Temperature = 0 });
            bool told = false;  // whichever of the two threads comes second
            var other = new Thread(() =>
            {
                for (EventKind? last = null; !Volatile.Read(ref told) && last != EventKind.Done;)
                    Try(() => last = session.Next().Kind);
            });
            other.Start();
            while (!Volatile.Read(ref told) && other.IsAlive) Try(() => _ = session.Position);
            other.Join();
            session.Cancel();
            Check.True(told, "one of them was told that the session is busy");

            void Try(Action call)
            {
                try
                {
                    call();
                }
                catch (RaisonException error) when (error.Status == Status.Busy)
                {
                    Volatile.Write(ref told, true);
                }
            }
        }

        [Test]
        private static void RewindReplaysAndBranches()
        {
            using Session session = Fixture.Model.CreateSession();
            var warm = new GenerateOptions { Temperature = 1.2f, MaxTokens = 60, Seed = 7 };
            session.Ask(Fixture.Question, warm);
            string first = Text(session);
            Step step = session.GetStep(0);
            session.Rewind(step.Rewind, new GenerateOptions { Temperature = 1.2f, MaxTokens = 60, Seed = 7, Branch = 0 });
            Check.Equal(first, Text(session), "the old branch number replays");
            session.Rewind(step.Rewind);
            Check.True(session.GetStep(0).Discarded, "the first step is marked");
            session.Run();
            Check.True(session.Options.Branch != 0, "a new branch");
            Check.True(session.Usage.DiscardedTokens > 0, "the bill says so");
            Check.Throws<ArgumentException>(() => session.Rewind(-1));

            static string Text(Session s) =>
                string.Concat(s.Events.Where(e => e.Kind == EventKind.Token).Select(e => e.Text));
        }

        [Test]
        private static void ARewindOnTheLastEventGoesOn()
        {
            using Session session = Asked();
            int done = 0;
            foreach (Event e in session.Events)
                if (e.Kind == EventKind.Done && ++done == 1) session.Rewind(session.GetStep(0).Rewind);
            Check.Equal(2, done);
        }

        [Test]
        private static void AForkGoesItsOwnWay()
        {
            using Session session = Asked();
            while (session.Next().Kind != EventKind.Token) { }
            Session fork = session.Fork(Fixture.Greedy());
            string original = session.Run();
            session.Dispose();
            Check.Equal(original, fork.Run(), "greedy: the same, and alive without the original");
            fork.Dispose();
        }

        [Test]
        private static void InjectedTextIsInTheTrace()
        {
            using Session session = Asked();
            while (session.Next().Kind != EventKind.Token) { }
            session.Inject(" Hm\u00E9.");
            List<Event> told = Fixture.Told(session);
            Check.True(told.Any(e => e.Notice == NoticeReason.Injected), "a notice");
            Check.True(told.Any(e => e.Source == TokenSource.Injected && e.Kind == EventKind.Token), "tokens");
            Check.True(session.Thinking.Contains(" Hm\u00E9."), session.Thinking);
        }

        [Test]
        private static void BudgetsHold()
        {
            using Session session = Fixture.Model.CreateSession();
            session.Ask(Fixture.Question, new GenerateOptions { Temperature = 0, ThinkBudgetHard = 5, MaxTokens = 100 });
            List<Event> told = Fixture.Told(session);
            Check.Equal(5, told.Count(e => e.Channel == Channel.Thinking && e.Kind == EventKind.Token &&
                e.Source == TokenSource.Sampled), "tokens of thinking");
            Check.True(told.Any(e => e.ThinkEnd == ThinkEndReason.HardBudget), "why");
            session.Ask(Fixture.Question, new GenerateOptions { Temperature = 0, Thinking = ThinkingMode.Off, MaxTokens = 20 });
            session.Run();
            Check.Equal(0L, session.Usage.ThinkingTokens, "without thinking");
            session.Ask(Fixture.Question, new GenerateOptions { Temperature = 0, MaxTokens = 3 });
            Check.Equal<DoneReason?>(DoneReason.LengthThinking, session.Events.Last().Done);
        }
    }
}
