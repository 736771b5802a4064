package org.raison;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** The snippets of the documentation compile as they stand, against the public names, and run. */
class SnippetTest {
  private static final Pattern SNIPPET = Pattern.compile("(?ms)^```java\n(.*?)^```");
  private static final Map<String, Integer> PAGES = Map.of("docs/java.md", 7, "README.md", 1);

  @TempDir Path scratch;

  @TestFactory
  List<DynamicTest> snippets() throws Exception {
    List<DynamicTest> tests = new ArrayList<>();
    for (Map.Entry<String, Integer> page : PAGES.entrySet()) {
      Matcher matcher =
          SNIPPET.matcher(Files.readString(Fixture.root().resolve(page.getKey())));
      int count = 0;
      while (matcher.find()) {
        String code = matcher.group(1);
        String name = "Snippet" + tests.size();
        tests.add(
            DynamicTest.dynamicTest(page.getKey() + " " + ++count, () -> run(name, code)));
      }
      assertEquals(page.getValue(), count, page.getKey());
    }
    return tests;
  }

  private void run(String name, String code) throws Exception {
    String program =
        "import java.nio.charset.StandardCharsets;\nimport java.util.*;\n"
            + "import java.util.stream.*;\nimport org.raison.*;\n"
            + ("public class " + name + " {\n  public static void run() throws Exception {\n")
            + code
            + "  }\n}\n";
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> options =
        List.of(
            "-d",
            scratch.toString(),
            "-cp",
            Fixture.build().resolve("maven/classes").toString(),
            "-Xlint:all",
            "-Werror");
    SimpleJavaFileObject source =
        new SimpleJavaFileObject(
            URI.create("string:///" + name + ".java"),
            javax.tools.JavaFileObject.Kind.SOURCE) {
          @Override
          public CharSequence getCharContent(boolean ignoreEncodingErrors) {
            return program;
          }
        };
    assertTrue(compiler.getTask(null, null, null, options, null, List.of(source)).call(), program);
    try (URLClassLoader loader =
        new URLClassLoader(
            new URL[] {scratch.toUri().toURL()}, SnippetTest.class.getClassLoader())) {
      loader.loadClass(name).getMethod("run").invoke(null);
    }
  }
}
