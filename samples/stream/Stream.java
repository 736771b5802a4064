// Stream: asks a question and shows the reasoning step by step, then the answer.
//
//   java -cp raison.jar Stream.java                            the built-in model, its own question
//   java -cp raison.jar Stream.java "What is 12 * 13?"         another question
//   java -cp raison.jar Stream.java "..." model.gguf           another model
//
// The same program stands beside this one in other languages; all print the same.

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.raison.Channel;
import org.raison.Event;
import org.raison.EventKind;
import org.raison.Library;
import org.raison.Model;
import org.raison.RaisonException;
import org.raison.Session;
import org.raison.Step;
import org.raison.Usage;

public class Stream {
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  // One line in the margin of a step: its number and how sure the model was of it.
  private static void printStep(Step step) {
    String text = step.text().replaceAll("\n+$", "");
    OUT.printf(
        Locale.ROOT,
        "[step %d, confidence %.2f] %s%n",
        step.index() + 1,
        step.confidence(),
        text);
  }

  public static void main(String[] arguments) {
    String question = arguments.length > 0 ? arguments[0] : "How many r's are in strawberry?";
    String path = arguments.length > 1 ? arguments[1] : "";
    try (Model model = new Model(path);
        Session session = model.session()) {
      for (Event event : session.ask(question)) {
        if (event.kind() == EventKind.STEP_END) {
          printStep(session.step(event.step()));
        } else if (event.kind() == EventKind.TOKEN && event.channel() == Channel.ANSWER) {
          OUT.print(event.text());
          OUT.flush();
        }
      }
      Usage usage = session.usage();
      OUT.println("\n[final answer: " + session.answer().text() + "]");
      OUT.printf(
          "[%d tokens of thinking, %d of answer]%n", usage.thinkingTokens(), usage.answerTokens());
    } catch (RaisonException error) {
      String status = Library.statusName(error.status().number());
      System.err.println("stream: " + error.getMessage() + " (" + status + ")");
      System.exit(1);
    }
  }
}
