// The C# driver of tests/bindings/cases.txt: prints what the C driver prints, byte for byte.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;

namespace Raison.Tests
{
    internal static class ParityTests
    {
        [Test]
        private static void TheTableTellsWhatCTells()
        {
            string cases = Needed("RAISON_CASES");
            string[] expected = Expected(Needed("RAISON_PARITY_C"), cases);
            var driver = new Driver();
            driver.Run(File.ReadAllText(cases, Encoding.UTF8).Split('\n'));
            string[] got = driver.Output.ToString().Split('\n');
            string verb = "";
            for (int i = 0; i < expected.Length && i < got.Length; ++i)
            {
                if (expected[i].StartsWith("case ") || expected[i].StartsWith("> ")) verb = expected[i];
                Check.Equal(expected[i], got[i], $"line {i + 1}, in '{verb}'");
            }
            Check.Equal(expected.Length, got.Length, "lines");
            Check.True(expected.Length > 1000, "a table of some length");
        }

        internal static string Needed(string variable) =>
            Environment.GetEnvironmentVariable(variable) ?? throw new Failed($"{variable} is not set (tests/stages.sh)");

        private static string[] Expected(string program, string cases)
        {
            using Process process = Process.Start(new ProcessStartInfo(program, $"\"{cases}\"")
            {
                UseShellExecute = false, RedirectStandardOutput = true, StandardOutputEncoding = new UTF8Encoding(false),
            })!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            Check.Equal(0, process.ExitCode, "the C driver");
            return output.Split('\n');
        }

        private sealed class Mine : Exception
        {
        }

        /// <summary>One line's key=value pairs; a key may come more than once.</summary>
        private sealed class Line
        {
            internal readonly string Verb;
            internal readonly List<(string Key, string Value)> Pairs = new List<(string, string)>();

            internal Line(string[] parts)
            {
                Verb = parts[0];
                foreach (string part in parts.Skip(1))
                {
                    int equals = part.IndexOf('=');
                    Pairs.Add((part.Substring(0, equals), Unescape(part.Substring(equals + 1))));
                }
            }

            internal string? Text(string key) => Pairs.Where(p => p.Key == key).Select(p => p.Value).FirstOrDefault();
            internal int Int(string key, int otherwise = 0) =>
                Text(key) is string text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
            internal bool Is(string key) => Text(key) == "1";

            private static string Unescape(string text) => Regex.Replace(text, @"\\(.)", m => m.Groups[1].Value switch
            {
                "n" => "\n",
                "r" => "\r",
                "t" => "\t",
                "0" => "\0",
                string other => other,
            });
        }

        private sealed class Driver
        {
            internal readonly StringBuilder Output = new StringBuilder();
            private readonly Dictionary<string, Session> sessions = new Dictionary<string, Session>();
            private Model? model;
            private string current = "a";

            internal void Run(IEnumerable<string> lines)
            {
                foreach (string line in lines)
                {
                    if (line.Length == 0 || line[0] == '#') continue;
                    string[] parts = line.Split('\t');
                    if (parts[0] == "want") continue;
                    if (parts[0] == "case")
                    {
                        CloseAll();
                        Say("case " + parts[1]);
                        continue;
                    }
                    Say("> " + parts[0]);
                    try
                    {
                        if (Do(new Line(parts))) Say("ok");
                    }
                    catch (ObjectDisposedException)
                    {
                        Say("closed");
                    }
                    catch (Exception error) when (RaisonException.StatusOf(error) != Status.Ok)
                    {
                        Say("error " + Library.StatusName(RaisonException.StatusOf(error)));
                    }
                    // Refused before the library was asked: a number that cannot be meant.
                    catch (ArgumentException)
                    {
                        Say("error RSN_ERR_ARGUMENT");
                    }
                }
                CloseAll();
            }

            private void CloseAll()
            {
                foreach (Session session in sessions.Values) session.Dispose();
                sessions.Clear();
                model?.Dispose();
                model = null;
                current = "a";
            }

            private void Say(string line) => Output.Append(line).Append('\n');

            private static string Escape(string text) => text.Replace("\\", "\\\\").Replace("\n", "\\n")
                .Replace("\r", "\\r").Replace("\t", "\\t").Replace("\0", "\\0");

            private void SayJson(string json) =>
                Say(Regex.Replace(json, "\"(microseconds|begin_seconds|end_seconds)\":[^,}]*", "\"$1\":0"));

            private void SayEvent(Event e)
            {
                if (e.Kind != EventKind.Progress) SayJson(e.ToJson());
            }

            private static string Hex(byte[] bytes) => string.Concat(bytes.Select(b => b.ToString("x2")));

            // What was never made is closed too.
            private Model Model => model ?? throw new ObjectDisposedException("model");
            private Session Session => sessions.TryGetValue(current, out Session? s) ? s
                : throw new ObjectDisposedException("session");

            // True: nothing was said, it is "ok".
            private bool Do(Line line)
            {
                switch (line.Verb)
                {
                    case "load": Load(line); return true;
                    case "session":
                        string name = line.Text("name") ?? "a";
                        Session made = Model.CreateSession(line.Int("context_length"));
                        if (sessions.TryGetValue(name, out Session? old)) old.Dispose();
                        sessions[current = name] = made;
                        return true;
                    case "use": current = line.Text("name") ?? "a"; return true;
                    case "close":
                        if (line.Text("what") == "model") Model.Dispose();
                        else sessions[line.Text("name") ?? current].Dispose();
                        return true;
                    case "ask": Session.Ask(line.Text("text")!, Options(line)); return true;
                    case "prompt": Session.Prompt(Messages(line), Options(line)); return true;
                    case "prompt_text":
                        Session.PromptText(line.Text("text")!, Options(line), line.Is("special"), line.Is("bos"));
                        return true;
                    case "end_thinking": Session.EndThinking(); return true;
                    case "stop": Session.Stop(); return true;
                    case "cancel": Session.Cancel(); return true;
                    case "inject": Session.Inject(line.Text("text")!); return true;
                    case "rewind":
                        long position = line.Text("step") != null ? Session.GetStep(line.Int("step")).Rewind : line.Int("position");
                        Session.Rewind(position, Options(line));
                        return true;
                    case "fork": sessions[line.Text("name")!] = Session.Fork(Options(line)); return true;
                    default: Tell(line); return false;
                }
            }

            private void Tell(Line line)
            {
                switch (line.Verb)
                {
                    case "events": Events(line); break;
                    case "run": Callback(line); break;
                    case "threads": Threads(line); break;
                    case "together": Together(line); break;
                    case "steps": foreach (Step s in Session.Steps) SayJson(s.ToJson()); break;
                    case "text":
                        Say("text " + Escape(line.Text("channel") == "thinking" ? Session.Thinking : Session.AnswerText));
                        break;
                    case "answer": Say($"answer {Session.Answer.Step} {Escape(Session.Answer.Text)}"); break;
                    case "usage":
                        Usage u = Session.Usage;
                        Say($"usage {u.PromptTokens} {u.CachedTokens} {u.ThinkingTokens} {u.AnswerTokens} {u.ForcedTokens} {u.DiscardedTokens}");
                        break;
                    case "position": Say($"position {Session.Position}"); break;
                    case "running": Say($"running {(Session.Running ? 1 : 0)}"); break;
                    case "tokens":
                        for (long i = 0, end = Session.Position; i < end; ++i)
                        {
                            Token t = Session.GetToken(i);
                            Say($"token {t.Position} {t.Id} {t.Step} {(int)t.Channel} {(int)t.Source} {t.Rank} {t.Branch} {Hex(t.Bytes.ToArray())}");
                        }
                        break;
                    case "options":
                        GenerateOptions o = Session.Options;
                        Say(string.Join(" ", new object[] { "options", o.Seed, o.Branch ?? -1, o.MaxTokens ?? -1, o.TopK ?? -1,
                            o.Alternatives ?? -1, o.ThinkBudgetSoft ?? -1, o.ThinkBudgetHard ?? -1, o.ThinkMinimum ?? -1,
                            o.AnswerReserve ?? -1, (int)o.Thinking, (int)o.Release }.Concat(o.Stop!.Select(Escape))));
                        break;
                    case "experts": Say("experts " + string.Join(" ", Session.StepExperts(line.Int("index")))); break;
                    case "logits":
                        float[] row = Session.Logits();
                        Say($"logits {row.Length} {Array.IndexOf(row, row.Max())}");
                        break;
                    case "info":
                        ModelInfo i2 = Model.Info;
                        Say($"info {i2.Architecture} {i2.Name} {i2.Parameters} {i2.Vocabulary} {i2.Layers} {i2.Experts} {i2.Tensors}");
                        break;
                    case "tokenize":
                        Say(string.Join(" ", Model.Tokenize(line.Text("text")!, line.Is("special"), line.Is("bos"))
                            .Select(t => t.ToString(CultureInfo.InvariantCulture)).Prepend("tokens")));
                        break;
                    case "detokenize":
                        int[] tokens = line.Text("tokens")!.Split(new[] { ',' }, StringSplitOptions.RemoveEmptyEntries)
                            .Select(int.Parse).ToArray();
                        Say("bytes " + Hex(Model.Detokenize(tokens, line.Is("special"))));
                        break;
                    case "token_text": Say("bytes " + Hex(Model.TokenText(line.Int("token")))); break;
                    case "render": Say("text " + Escape(Model.Render(Messages(line), Options(line)))); break;
                    default: throw new Failed($"unknown verb '{line.Verb}'");
                }
            }

            private void Load(Line line)
            {
                var options = new ModelOptions
                {
                    Device = line.Text("device"), ChatTemplate = line.Text("chat_template"),
                    Load = line.Text("load") switch { "copy" => LoadMode.Copy, "header" => LoadMode.Header, _ => LoadMode.Map },
                };
                if (line.Text("context_length") != null) options.ContextLength = line.Int("context_length");
                if (line.Text("kv_bytes") != null) options.KvBytes = line.Int("kv_bytes");
                model?.Dispose();
                model = null;
                string? hex = line.Text("bytes");
                model = hex == null ? Model.Load(line.Text("path"), options) : Model.FromBytes(
                    Enumerable.Range(0, hex.Length / 2).Select(i => Convert.ToByte(hex.Substring(2 * i, 2), 16)).ToArray(), options);
            }

            private void Events(Line line)
            {
                string until = line.Text("until") ?? "done";
                int count = line.Int("count", 1);
                foreach (Event e in Session.Events)
                {
                    SayEvent(e);
                    if (Named(e, until) && --count == 0) break;
                }
            }

            private void Callback(Line line)
            {
                int left = line.Int("nth", 1);
                try
                {
                    Say("answer " + Escape(Session.Run((session, e) =>
                    {
                        SayEvent(e);
                        if (!Named(e, line.Text("at")) || --left != 0) return Verdict.Continue;
                        switch (line.Text("verdict"))
                        {
                            case "end_thinking": return Verdict.EndThinking;
                            case "stop": return Verdict.Stop;
                            case "throw": throw new Mine();
                            case "cancel":
                                var thread = new Thread(session.Cancel);
                                thread.Start();
                                thread.Join();
                                break;
                        }
                        return Verdict.Continue;
                    })));
                }
                catch (Mine)
                {
                    Say("thrown");
                }
            }

            private static bool Named(Event e, string? kind) =>
                kind != null && e.Kind.ToString().ToLowerInvariant() == kind.Replace("_", "");

            private void Threads(Line line)
            {
                var answers = new string[line.Int("count")];
                Model shared = Model;
                List<Thread> threads = Enumerable.Range(0, answers.Length).Select(i => new Thread(() =>
                {
                    using Session session = shared.CreateSession();
                    session.Ask(line.Text("text")!, Options(line));
                    answers[i] = session.Run();
                })).ToList();
                threads.ForEach(t => t.Start());
                threads.ForEach(t => t.Join());
                foreach (string answer in answers) Say("thread " + Escape(answer));
            }

            private void Together(Line line)
            {
                List<Session> group = line.Pairs.Where(p => p.Key == "text").Select(p =>
                {
                    Session session = Model.CreateSession();
                    session.Ask(p.Value, Options(line));
                    return session;
                }).ToList();
                foreach (var _ in Session.StepAll(group)) { }
                for (int i = 0; i < group.Count; ++i)
                {
                    Say($"together {i} {Escape(group[i].AnswerText)}");
                    group[i].Dispose();
                }
            }

            private static List<Message> Messages(Line line)
            {
                var messages = new List<Message>();
                string? thinking = null;
                foreach ((string key, string value) in line.Pairs)
                {
                    if (key == "thinking" && !IsMode(value)) thinking = value;
                    if (!new[] { "system", "user", "assistant", "tool" }.Contains(key)) continue;
                    messages.Add(new Message((Role)Enum.Parse(typeof(Role), key, true), value, thinking));
                    thinking = null;
                }
                return messages;
            }

            private static bool IsMode(string value) => value == "auto" || value == "on" || value == "off";

            // Null: no option was given.
            private static GenerateOptions? Options(Line line)
            {
                var o = new GenerateOptions { WaitMs = 60_000 };
                int given = 0;
                foreach ((string key, string value) in line.Pairs)
                {
                    ++given;
                    int Int() => int.Parse(value, CultureInfo.InvariantCulture);
                    float Float() => float.Parse(value, CultureInfo.InvariantCulture);
                    switch (key)
                    {
                        case "max_tokens": o.MaxTokens = Int(); break;
                        case "seed": o.Seed = ulong.Parse(value, CultureInfo.InvariantCulture); break;
                        case "branch": o.Branch = Int(); break;
                        case "temperature": o.Temperature = Float(); break;
                        case "top_p": o.TopP = Float(); break;
                        case "min_p": o.MinP = Float(); break;
                        case "top_k": o.TopK = Int(); break;
                        case "repetition_penalty": o.RepetitionPenalty = Float(); break;
                        case "presence_penalty": o.PresencePenalty = Float(); break;
                        case "frequency_penalty": o.FrequencyPenalty = Float(); break;
                        case "penalty_last_n": o.PenaltyLastN = Int(); break;
                        case "think_budget_soft": o.ThinkBudgetSoft = Int(); break;
                        case "think_budget_hard": o.ThinkBudgetHard = Int(); break;
                        case "think_minimum": o.ThinkMinimum = Int(); break;
                        case "answer_reserve": o.AnswerReserve = Int(); break;
                        case "alternatives": o.Alternatives = Int(); break;
                        case "thinking" when IsMode(value): o.Thinking = (ThinkingMode)Enum.Parse(typeof(ThinkingMode), value, true); break;
                        case "release": o.Release = Release.Step; break;
                        case "experts": o.TraceExperts = true; break;
                        case "trace_prompt": o.TracePrompt = true; break;
                        case "exclude_first_token": o.ExcludeFirstToken = true; break;
                        case "continue_last": o.ContinueLast = true; break;
                        case "continuation": o.Continuation = value; break;
                        case "template_arguments": o.TemplateArguments = value; break;
                        case "stop":
                            o.Stop ??= new List<string>();
                            o.Stop.Add(value);
                            break;
                        case "logit_bias":
                            o.LogitBias ??= new Dictionary<int, float>();
                            string[] parts = value.Split(':');
                            o.LogitBias[int.Parse(parts[0])] = float.Parse(parts[1], CultureInfo.InvariantCulture);
                            break;
                        default: --given; break;
                    }
                }
                return given > 0 ? o : null;
            }
        }
    }
}
