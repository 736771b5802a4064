// Requests: events and getters agree, options arrive, loops and tasks end as they should.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Raison.Tests
{
    internal static class RequestTests
    {
        [Test]
        private static void EventsTellWhatTheMembersSay()
        {
            using Session session = Fixture.Model.CreateSession();
            var options = Fixture.Greedy();
            options.Alternatives = 3;
            options.TraceExperts = true;
            session.Ask(Fixture.Question, options);
            List<Event> told = Fixture.Told(session);
            string Text(Channel channel) => string.Concat(
                told.Where(e => e.Kind == EventKind.Token && e.Channel == channel).Select(e => e.Text));
            Check.Equal(session.Thinking, Text(Channel.Thinking), "thinking");
            Check.Equal(session.AnswerText, Text(Channel.Answer), "answer");
            Event done = told.Last();
            Check.Equal(DoneReason.End, done.Done!.Value, "reason");
            Check.Equal(done.Text, session.Answer.Text, "final answer");
            Check.Equal(done.Step, session.Answer.Step, "its step");
            Check.True(done.Text.Contains("156"), done.Text);
            Check.Equal(session.Thinking, string.Concat(session.Steps.Select(s => s.Text)), "steps tile the thinking");
            foreach (Event e in told.Where(e => e.Kind == EventKind.Token))
            {
                Token token = session.GetToken(e.Position);
                Check.Equal(e.Token, token.Id, "id");
                Check.Equal(e.LogProbability, token.LogProbability, "log-probability");
                Check.Equal(e.Channel, token.Channel, "channel");
                Check.Same(e.Alternatives, token.Alternatives, "alternatives");
                Check.Same(e.Experts, token.Experts, "experts");
                Check.Equal(3, e.Alternatives.Count, "alternatives");
                Check.True(e.Experts.Count > 0, "experts");
                if (e.Rank == 0) Check.Equal(e.Token, e.Alternatives[0].Token, "the most likely one");
            }
            ModelInfo info = Fixture.Model.Info;
            Check.Equal(info.Layers * info.Experts, session.StepExperts(0).Length, "counts of experts");
            Usage usage = session.Usage;
            Check.Equal(told.Count(e => e.Kind == EventKind.Token && e.Channel == Channel.Answer), usage.AnswerTokens,
                "usage");
            Check.Equal(info.Vocabulary, session.Logits().Length, "logits");
            Check.True(!session.Running, "it is over");
        }

        [Test]
        private static void OptionsArriveAndComeBack()
        {
            using Session session = Fixture.Model.CreateSession();
            var given = new GenerateOptions
            {
                MaxTokens = 50, Seed = ulong.MaxValue - 5, Branch = 3, Temperature = 0.75f, TopP = 0.5f, MinP = 0.25f,
                RepetitionPenalty = 1.5f, PresencePenalty = 0.125f, FrequencyPenalty = -0.125f, TopK = 7,
                PenaltyLastN = 9, SamplingOrder = SamplingOrder.LlamaCpp,
                LogitBias = new Dictionary<int, float> { [5] = 1.5f, [6] = float.NegativeInfinity },
                Stop = new[] { "x\0\U0001F600", "y" }, Thinking = ThinkingMode.On, ThinkBudgetSoft = 20,
                ThinkBudgetHard = 30, ThinkMinimum = 1, AnswerReserve = 11, Continuation = "Hm\u00E9",
                TemplateArguments = "{\"a\": 1}", TraceExperts = true, TracePrompt = true, Alternatives = 4,
                Release = Release.Step, WaitMs = 1, ExcludeFirstToken = true,
            };
            session.Ask("x", given);
            GenerateOptions used = session.Options;
            foreach (var property in typeof(GenerateOptions).GetProperties())
            {
                object? wanted = property.GetValue(given), got = property.GetValue(used);
                if (wanted is IEnumerable<string> texts) Check.Same(texts, (IEnumerable<string>)got!, property.Name);
                else if (wanted is IDictionary<int, float> bias) Check.Same(bias, (IDictionary<int, float>)got!, property.Name);
                else Check.Equal(wanted, got, property.Name);
            }
        }

        [Test]
        private static void WrongOptionsAreArgumentErrors()
        {
            using Session session = Fixture.Model.CreateSession();
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { Temperature = float.NaN }));
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { MaxTokens = -1 }));
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { TopP = 2 }));
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { Thinking = (ThinkingMode)9 }));
            Check.Throws<ArgumentException>(() => session.Ask("x", new GenerateOptions { TemplateArguments = "[" }));
            Check.Throws<ArgumentException>(() => session.Prompt(new[] { new Message((Role)7, "x") }));
            Check.Throws<ArgumentException>(() => Fixture.Model.CreateSession(-5));
            Check.Throws<ArgumentException>(() => Fixture.Model.Detokenize(new[] { -1 }));
            Check.Throws<ArgumentOutOfRangeException>(() => session.GetStep(-1));
            Check.Throws<ArgumentOutOfRangeException>(() => session.StepExperts(-1));
            Check.Throws<ArgumentException>(() => Session.StepAll(new[] { session, null! }));
            var error = Check.Throws<RaisonException>(() => session.Next());
            Check.Equal(Status.State, error.Status, "nothing was started");
        }

        [Test]
        private static void AConversationKeepsItsPrefix()
        {
            using Session session = Fixture.Model.CreateSession();
            var conversation = new List<Message> { new Message(Role.User, Fixture.Question) };
            session.Prompt(conversation, Fixture.Greedy()).Count();
            conversation.Add(new Message(Role.Assistant, session.AnswerText, session.Thinking));
            conversation.Add(new Message(Role.User, "And 13 * 12?"));
            session.Prompt(conversation, Fixture.Greedy());
            session.Run();
            Check.True(session.Usage.CachedTokens > 0, "the first turn is not computed again");
            Check.True(session.Answer.Text.Contains("156"), session.Answer.Text);
        }

        [Test]
        private static void PromptTextGoesOn()
        {
            using Session session = Fixture.Model.CreateSession();
            session.PromptText("The answer is", Fixture.Greedy(5)).Count();
            Check.True(session.GetToken(1).Bytes.Length > 0, "a token of the prompt has its bytes");
            Check.Equal(session.Position, (long)session.Tokens.Count, "all tokens");
            Check.Equal(session.GetToken(1).Id, session.Tokens[1].Id, "in their order");
            Check.Equal(session.Usage.PromptTokens, (long)Fixture.Model.Tokenize("The answer is", bos: true).Length, "tokens");
        }

        [Test]
        private static void TheTraceIsJson()
        {
            using Session session = Fixture.Model.CreateSession();
            session.Ask(Fixture.Question, Fixture.Greedy());
            foreach (Event e in session.Events)
            {
                string json = e.ToJson();
                Check.True(json.StartsWith("{\"v\":1,\"event\":\"") && json.EndsWith("}"), json);
                if (e.Kind != EventKind.StepEnd) continue;
                string step = session.GetStep(e.Step).ToJson();
                Check.True(step.StartsWith($"{{\"step\":{e.Step},"), step);
            }
        }

        [Test]
        private static void EventsAreRaisedInTheLoop()
        {
            using Session session = Fixture.Model.CreateSession();
            int thread = Thread.CurrentThread.ManagedThreadId, tokens = 0, all = 0;
            var steps = new List<Step>();
            session.TokenGenerated += (sender, e) =>
            {
                Check.Equal<object?>(session, sender, "sender");
                Check.Equal(thread, Thread.CurrentThread.ManagedThreadId, "the loop's thread");
                ++tokens;
            };
            session.StepCompleted += (_, step) => steps.Add(step);
            session.EventReceived += (_, e) => ++all;
            session.Ask(Fixture.Question, Fixture.Greedy());
            List<Event> told = session.Events.ToList();
            Check.Equal(told.Count, all, "all events");
            Check.Equal(told.Count(e => e.Kind == EventKind.Token), tokens, "tokens");
            Check.Same(session.Steps.Select(s => s.Text), steps.Select(s => s.Text), "steps");
        }

        [Test]
        private static async Task AwaitForEachTellsTheSame()
        {
            using Session sync = Fixture.Model.CreateSession();
            sync.Ask(Fixture.Question, Fixture.Greedy());
            List<Event> expected = Fixture.Told(sync);
            using Session session = Fixture.Model.CreateSession();
            var told = new List<Event>();
            await foreach (Event e in session.Ask(Fixture.Question, Fixture.Greedy()))
                if (e.Kind != EventKind.Progress) told.Add(e);
            Check.Same(expected.Select(e => (e.Kind, e.Token, e.Text)), told.Select(e => (e.Kind, e.Token, e.Text)));
        }

        [Test]
        private static async Task ATokenCancelsAwaitForEach()
        {
            using Session session = Fixture.Model.CreateSession();
            using var source = new CancellationTokenSource();
            int seen = 0;
            await Check.ThrowsAsync<OperationCanceledException>(async () =>
            {
                EventStream stream = session.Ask(Fixture.Question, Fixture.Greedy());
                await foreach (Event e in stream.WithCancellation(source.Token))
                    if (e.Kind == EventKind.Token && ++seen == 3) source.Cancel();
            });
            Check.Equal(3, seen, "tokens before");
            // The session stays usable.
            session.Ask(Fixture.Question, Fixture.Greedy());
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), session.Answer.Text);
        }

        [Test]
        private static async Task ACancelledTokenStartsNothing()
        {
            using Session session = Fixture.Model.CreateSession();
            var cancelled = new CancellationToken(true);
            int seen = 0;
            await Check.ThrowsAsync<OperationCanceledException>(async () =>
            {
                await foreach (Event e in session.Ask(Fixture.Question).WithCancellation(cancelled)) ++seen;
            });
            Check.Equal(0, seen, "events");
            await Check.ThrowsAsync<OperationCanceledException>(() => Model.LoadAsync(cancellation: cancelled));
        }

        [Test]
        private static void ABreakLeavesTheRequestRunning()
        {
            using Session session = Fixture.Model.CreateSession();
            foreach (Event e in session.Ask(Fixture.Question, Fixture.Greedy()))
                if (e.Kind == EventKind.Token) break;
            Check.True(session.Running, "running");
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), session.Answer.Text);
        }

        [Test]
        private static async Task ABreakOutOfAwaitForEachLeavesItRunningToo()
        {
            using Session session = Fixture.Model.CreateSession();
            using var source = new CancellationTokenSource();
            await foreach (Event e in session.Ask(Fixture.Question, Fixture.Greedy()).WithCancellation(source.Token))
                if (e.Kind == EventKind.Token) break;
            source.Cancel();  // the loop is over: nobody's any more
            var rest = new List<Event>();
            await foreach (Event e in session.Events) rest.Add(e);
            Check.Equal<DoneReason?>(DoneReason.End, rest.Last().Done);
            Check.True(session.Answer.Text.Contains("156"), session.Answer.Text);
        }

        [Test]
        private static void TwoLoopsOfOneRequestShareItsEvents()
        {
            using Session session = Fixture.Model.CreateSession();
            EventStream stream = session.Ask(Fixture.Question, Fixture.Greedy());
            using IEnumerator<Event> one = stream.GetEnumerator(), other = stream.GetEnumerator();
            var told = new List<Event>();
            while (one.MoveNext())
            {
                told.Add(one.Current);
                if (other.MoveNext()) told.Add(other.Current);
            }
            Check.Equal(session.Thinking + session.AnswerText, string.Concat(
                told.Where(e => e.Kind == EventKind.Token).Select(e => e.Text)), "each event once, in order");
            Check.Equal(1, told.Count(e => e.Kind == EventKind.Done), "the last one");
            Check.True(!other.MoveNext(), "nothing is left");
        }

        [Test]
        private static async Task WhatAHandlerThrowsComesOutOfAwaitForEach()
        {
            using Session session = Fixture.Model.CreateSession();
            var mine = new InvalidCastException("mine");
            session.TokenGenerated += Throw;
            Check.Equal(mine, await Check.ThrowsAsync<InvalidCastException>(async () =>
            {
                await foreach (Event e in session.Ask(Fixture.Question, Fixture.Greedy())) { }
            }));
            session.TokenGenerated -= Throw;
            session.Run();
            Check.True(session.Answer.Text.Contains("156"), "the request goes on where it was");
            void Throw(object? sender, Event e) => throw mine;
        }

        [Test]
        private static void ManySessionsStepTogether()
        {
            var alone = new List<string>();
            string[] questions = { "What is 2 * 3?", "What is 12 * 13?", "How many r's are in strawberry?" };
            foreach (string question in questions)
            {
                using Session session = Fixture.Model.CreateSession();
                session.Ask(question, Fixture.Greedy());
                alone.Add(session.Run());
            }
            List<Session> together = questions.Select(_ => Fixture.Model.CreateSession()).ToList();
            for (int i = 0; i < questions.Length; ++i) together[i].Ask(questions[i], Fixture.Greedy());
            int done = 0;
            foreach ((Session session, Event e) in Session.StepAll(together))
            {
                Check.True(together.Contains(session), "one of them");
                if (e.Kind == EventKind.Done) ++done;
            }
            Check.Equal(questions.Length, done, "each ends once");
            Check.Same(alone, together.Select(s => s.AnswerText), "the same answers as alone");
            together.ForEach(s => s.Dispose());
        }

        [Test]
        private static void TheModelTellsAboutItself()
        {
            ModelInfo info = Fixture.Model.Info;
            Check.Equal("deepseek_v3", info.Architecture);
            Check.Equal("Petit", info.Name);
            Check.True(info.Parameters > 16_000_000 && info.Vocabulary > 0 && info.Layers > 0 && info.Threads > 0, "sizes");
            Check.True(info.ThinkBeginToken >= 0 && info.ChatTemplate.Length > 0, "tags and template");
            IReadOnlyList<TensorInfo> tensors = Fixture.Model.Tensors;
            Check.Equal(info.Tensors, (long)tensors.Count);
            Check.True(tensors.All(t => t.Name.Length > 0 && t.Type.Length > 0 && t.Bytes > 0 && t.Shape.All(n => n > 0)),
                "each tensor");
            Check.True(Fixture.Model.Plan(PlanFormat.Json, 512, 2).StartsWith("{"), "a plan as JSON");
            Check.True(Fixture.Model.Plan().Contains("cpu"), "a plan for people");
            Check.Equal("cpu", Library.Devices()[0].Name);
            Check.Equal(DeviceKind.Cpu, Library.Devices()[0].Kind);
            Check.True(Library.Devices()[0].MemoryTotal > 0, "memory");
            Check.Equal("0.1.0", Library.Version);
            Check.Equal(100, Library.VersionNumber);
            Check.Equal("RSN_ERR_FORMAT", Library.StatusName(Status.Format));
            foreach (Status status in Enum.GetValues(typeof(Status)))
                Check.True(Library.StatusName(status) != "RSN_ERR_?", $"{status} is a status of raison.h");
        }
    }
}
