package org.raison;

import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Finds and loads the native library: from the file or folder that the system property {@code
 * raison.library} names (then nowhere else), else from the jar, else from {@code
 * java.library.path}. One of another version is refused before a function of it is called. When
 * nothing works, the error says all that was tried.
 */
final class NativeLibrary {
  /** Of this layer; JNI_OnLoad (bindings/swig/java.i) refuses to be loaded by another. */
  static final int VERSION_NUMBER = 100;

  static final String PROPERTY = "raison.library";

  private static final String FILE = System.mapLibraryName("raison_java");

  /**
   * What FILE needs, by its name on Windows, which looks for it beside java.exe instead of beside
   * FILE, unless it is loaded already. There is no file of such a name on other systems.
   */
  private static final String NEEDED = System.mapLibraryName("raison" + VERSION_NUMBER / 10000);

  private static volatile boolean loaded;

  private NativeLibrary() {}

  /** Does nothing but the first time; after a failure it tries again. */
  static void load() {
    if (loaded) {
      return;
    }
    synchronized (NativeLibrary.class) {
      if (!loaded) {
        find();
        loaded = true;
      }
    }
  }

  private static void find() {
    List<String> tried = new ArrayList<>();
    String explicit = System.getProperty(PROPERTY, "");
    boolean found =
        explicit.isEmpty()
            ? fromJar(tried) || fromLibraryPath(tried)
            : fromPath(explicit, tried);
    if (!found) {
      throw new UnsatisfiedLinkError(
          "Raison's native library for "
              + platform()
              + " was not found. Tried:\n  "
              + String.join("\n  ", tried)
              + (explicit.isEmpty()
                  ? "\n-D" + PROPERTY + "=PATH names its file or folder."
                  : "\nNothing else is tried while -D" + PROPERTY + " is given."));
    }
  }

  private static boolean fromPath(String path, List<String> tried) {
    File file = new File(path);
    if (file.isDirectory()) {
      file = new File(file, FILE);
    }
    return open("-D" + PROPERTY + "=" + path, file, tried);
  }

  private static boolean fromJar(List<String> tried) {
    String where = "the jar (" + NativeResources.folder(platform()) + ")";
    Path folder;
    try {
      folder = NativeResources.extract(platform());
    } catch (Exception error) {
      tried.add(where + ": " + error);
      return false;
    }
    if (folder == null) {
      tried.add(where + ": holds nothing for this platform");
      return false;
    }
    return open(where, folder.resolve(FILE).toFile(), tried);
  }

  private static boolean fromLibraryPath(List<String> tried) {
    for (String folder : System.getProperty("java.library.path", "").split(File.pathSeparator)) {
      // An empty entry is the working folder, as for the JVM.
      File file = new File(folder.isEmpty() ? "." : folder, FILE);
      if (open("java.library.path", file, tried)) {
        return true;
      }
    }
    return false;
  }

  private static boolean open(String where, File file, List<String> tried) {
    String absolute = file.getAbsolutePath();
    if (!file.exists()) {
      tried.add(where + ": no file " + absolute);
      return false;
    }
    try {
      File needed = new File(file.getAbsoluteFile().getParentFile(), NEEDED);
      if (needed.exists()) {
        System.load(needed.getPath());
      }
      System.load(absolute);
      return true;
    } catch (UnsatisfiedLinkError error) {
      tried.add(where + ": " + error.getMessage());
      return false;
    }
  }

  /** As the packages name it: "linux-x64". */
  static String platform() {
    String system = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    String machine = System.getProperty("os.arch", "").toLowerCase(Locale.ROOT);
    if (system.startsWith("windows")) {
      system = "win";
    } else if (system.startsWith("mac")) {
      system = "osx";
    }
    if (machine.equals("amd64") || machine.equals("x86_64")) {
      machine = "x64";
    } else if (machine.equals("aarch64")) {
      machine = "arm64";
    }
    return system + "-" + machine;
  }
}
