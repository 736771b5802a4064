"""tests/gpu.sh on a folder whose raison is a few lines of bash: what it says of commands that fail, hang or
are too slow, of time that is over, and of a driver that Vulkan's loader is not told of."""

import concurrent.futures
import os
import pathlib
import subprocess
import tarfile
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "gpu.sh"

# FAIL, HANG and SLOW are parts of the command line that does so.
RAISON = r"""#!/bin/bash
case "$*" in --version) echo raison 0; exit;; "selftest --list") printf 'embed\nmatmul\n'; exit;; esac
sleep "${SECONDS_EACH:-0}"
[[ -z ${FAIL:-} || "$*" != *"$FAIL"* ]] || { echo "raison: it burns" >&2; exit 1; }
[[ -z ${HANG:-} || "$*" != *"$HANG"* ]] || { trap '' INT; exec sleep 100; }
[[ -z ${SLOW:-} || "$*" != *"$SLOW"* ]] || { echo "prompt, half"; exec sleep 100; }
case "$*" in
  "devices --json") printf '{\n"name": "%s",\n"kind": "gpu",\n"problem": ""\n}\n' ${DEVICES-vulkan:0 cuda:0};;
  devices) echo "loader: ${VK_DRIVER_FILES:-}"; [[ -z ${VK_DRIVER_FILES:-} ]] || cat "$VK_DRIVER_FILES";;
  run*) echo '{"event":"token","token":7,"logprob":-0.5,"entropy":1.5,"sampled_logprob":0.0,"experts":[{"layer":1,"expert":2,"weight":0.5},{"layer":2,"expert":0,"weight":1.5}]}';;
  bench*) case "$*" in *=*) rate=20;; *vulkan*) rate=50;; *) rate=100;; esac
    echo "prompt   512 tokens at depth 0                   9$rate.5 tokens/s   (1 to 2 in 1 runs)"
    echo "decode   128 tokens at depth 0        1 sessions   $rate.5 tokens/s   (1 to 2 in 1 runs)";;
esac
"""


class GpuScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        place = pathlib.Path(cls.place.name)
        (place / "bin").mkdir()
        for name, text in (("raison", RAISON), ("raison-cuda-rate", "#!/bin/bash\necho rates\n")):
            (place / "bin" / name).write_text(text)
            (place / "bin" / name).chmod(0o755)
        with tarfile.open(place / "raison-gpu.tar.gz", "w:gz") as archive:
            archive.add(place / "bin", "bin")
        # NVIDIA's driver without a manifest.
        (place / "driver").mkdir()
        (place / "driver/libEGL_nvidia.so.0").symlink_to(os.environ["RAISON_LIBRARY"])
        # Side by side: they wait for the clock, most of their time.
        settings = {
            "right": {},
            "fail": {"FAIL": "--device vulkan:0=4,cpu"},
            "hang": {"HANG": "--backend cuda:0", "RAISON_GPU_SECONDS": "40"},
            "slow": {"SLOW": "--depth 0,8192 --repeat", "RAISON_GPU_SECONDS": "40"},
            "late": {"SECONDS_EACH": "1", "RAISON_GPU_SECONDS": "16"},
            "list": {"HANG": "devices", "RAISON_GPU_SECONDS": "40"},
            "none": {"DEVICES": ""},
            "manifest": {"DEVICES": "cuda:0", "LD_LIBRARY_PATH": str(place / "driver")},
        }
        with concurrent.futures.ThreadPoolExecutor(len(settings)) as threads:
            done = {name: threads.submit(cls.run_script, name, s) for name, s in settings.items()}
        cls.done = {name: ended.result() for name, ended in done.items()}

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    @classmethod
    def run_script(cls, name, settings):
        results = os.path.join(cls.place.name, name + ".txt")
        ended = subprocess.run(
            ["bash", str(SCRIPT), cls.place.name, results],
            env={**os.environ, **settings}, capture_output=True, timeout=120)
        with open(results) as file:
            return ended.returncode, file.read().splitlines()

    def wrong(self, name):
        status, lines = self.done[name]
        self.assertEqual(status, 1, lines)
        self.assertNotIn("all that was run is right", lines)
        summary = lines[lines.index("# In short"):]
        return [line for line in summary if line.startswith("WRONG: ")]

    def test_all_is_right(self):
        status, lines = self.done["right"]
        self.assertEqual((status, lines[-1]), (0, "all that was run is right"))
        self.assertEqual(
            sum(line.endswith("off (0.0092), entropies 0.0000 (0.012); 0 of 6 experts are others (2.8 %)")
                for line in lines), 8)
        # A split stands beside the faster of the two devices.
        self.assertIn(
            "qwen2-7b on vulkan:0=24,cpu: prompt 920.5, decode 20.5 tokens/s; the best device alone, "
            "cuda:0: prompt 9100.5, decode 100.5 tokens/s", lines)
        self.assertEqual(lines[-2].split(":")[0], "v2-lite on vulkan")

    def test_what_fails_is_told_in_its_own_words(self):
        self.assertEqual(len(self.wrong("fail")), 1)
        lines = self.done["fail"][1]
        at = lines.index("raison: it burns")
        self.assertIn("--device vulkan:0=4,cpu", lines[at - 1])
        self.assertTrue(lines[at + 2].startswith("WRONG: exit status 1: raison run"), lines[at:])

    def test_a_hang_is_wrong_and_the_other_device_goes_on(self):
        self.assertEqual(
            self.wrong("hang"),
            ["WRONG: it hangs, was killed after 10 s: raison selftest --backend cuda:0 --op " + op
             for op in ("embed", "matmul")])
        lines = self.done["hang"][1]
        self.assertIn("not run: cuda:0 hung twice", lines)
        self.assertIn("## raison selftest --backend vulkan:0 --op matmul", lines)

    def test_what_is_too_slow_is_wrong_and_its_finished_lines_are_kept(self):
        wrong = self.wrong("slow")
        self.assertTrue(wrong[0].startswith("WRONG: too slow, not done after 10 s: raison bench"))
        self.assertEqual(self.done["slow"][1].count("prompt, half"), 2)

    def test_what_has_no_time_is_named(self):
        status, lines = self.done["late"]
        self.assertEqual((status, lines[-1]), (0, "all that was run is right"))
        self.assertTrue(any(line.startswith("not finished in 16 s: raison bench") for line in lines))

    def test_devices_that_cannot_be_listed(self):
        status, lines = self.done["list"]
        self.assertEqual(status, 1)
        self.assertIn("once more, without Vulkan", lines)
        self.assertEqual(lines[-1], "the devices cannot be listed: nothing was checked")

    def test_no_device(self):
        status, lines = self.done["none"]
        self.assertEqual((status, lines[-1]), (77, "no GPU can be used here: nothing was checked"))

    def test_a_driver_without_a_manifest(self):
        status, lines = self.done["manifest"]
        self.assertEqual(status, 0)
        self.assertIn("no GPU was found through Vulkan: it was not checked", lines)
        if any("libGLX_nvidia" in line for line in lines):
            self.skipTest("this machine has NVIDIA's driver")
        self.assertTrue(any('"library_path": "libEGL_nvidia.so.0"' in line for line in lines), lines)


if __name__ == "__main__":
    unittest.main()
