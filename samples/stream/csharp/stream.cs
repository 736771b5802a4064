// stream: asks a question and shows the reasoning step by step, then the answer.
//
//   stream                           the built-in model, a question of its own
//   stream "What is 12 * 13?"        another question
//   stream "..." model.gguf          another model
//
// The same program stands beside this one in other languages; all print the same.
using System;
using System.Globalization;
using Raison;

internal static class Stream
{
    // One line in the margin of a step: its number and how sure the model was of it.
    private static void PrintStep(Step step)
    {
        string confidence = step.Confidence.ToString("F2", CultureInfo.InvariantCulture);
        Console.WriteLine($"[step {step.Index + 1}, confidence {confidence}] {step.Text.TrimEnd('\n')}");
    }

    private static int Main(string[] arguments)
    {
        try
        {
            using Model model = Model.Load(arguments.Length > 1 ? arguments[1] : null);
            using Session session = model.CreateSession();
            foreach (Event e in session.Ask(arguments.Length > 0 ? arguments[0] : "How many r's are in strawberry?"))
            {
                if (e.Kind == EventKind.StepEnd) PrintStep(session.GetStep(e.Step));
                if (e.Kind == EventKind.Token && e.Channel == Channel.Answer) Console.Write(e.Text);
                if (e.Kind == EventKind.Done) Console.WriteLine($"\n[final answer: {e.Text}]");
            }
            Usage usage = session.Usage;
            Console.WriteLine($"[{usage.ThinkingTokens} tokens of thinking, {usage.AnswerTokens} of answer]");
            return 0;
        }
        catch (Exception error) when (RaisonException.StatusOf(error) != Status.Ok)
        {
            Console.Error.WriteLine(
                $"stream: {error.Message} ({Library.StatusName(RaisonException.StatusOf(error))})");
            return 1;
        }
    }
}
