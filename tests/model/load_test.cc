// What loading costs besides the weights themselves: memory at its peak, the longest stretch in
// which nobody asks whether to go on, and that neither repacking nor copying changes an answer.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "core/backend/far/far_backend.h"
#include "core/backend/registry.h"
#include "core/file/checkpoint.h"
#include "core/model/evaluate.h"
#include "core/model/model.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using testing::MakeTinyFolder;
using testing::MakeTinyGguf;
using testing::TempFolder;
using testing::TinyKind;
using testing::TinyModel;

constexpr int64_t kMiB = int64_t{1} << 20;

ModelOptions Options(LoadMode load, bool repack = true) {
  ModelOptions options;
  options.device = "cpu";
  options.threads = 2;
  options.load = load;
  options.repack = repack;
  options.context_length = 64;
  options.kv_bytes = 4 * kMiB;
  return options;
}

const char* Name(LoadMode load) { return load == LoadMode::kMap ? "mapped" : "copied"; }

// Matrices of 64 MiB, four times what is repacked at a time.
TinyModel Large(bool tied) {
  return {.kind = TinyKind::kQwen2, .layers = 1, .tied = tied, .hidden = 512, .rows = 32768};
}

// A folder keeps the experts of a layer apart: three stacks of 64 MiB.
TinyModel LargeExperts() {
  return {.type = DType::kBF16, .layers = 2, .hidden = 512, .expert_ffn = 16384};
}

int64_t StatusValue(const char* key) {  // of /proc/self/status, in bytes
  int64_t kib = -1;
  if (FILE* file = fopen("/proc/self/status", "r")) {
    char line[256];
    while (fgets(line, sizeof line, file) != nullptr) {
      if (strncmp(line, key, strlen(key)) == 0) kib = atoll(line + strlen(key));
    }
    fclose(file);
  }
  return kib * 1024;
}

// By how much a load raises the peak of resident memory, in a process of its own; -1: it failed.
int64_t PeakOfLoading(const std::string& path, const ModelOptions& options) {
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    const int64_t before = StatusValue("VmRSS:");
    const auto model = Model::Load(path, options);
    if (!model.ok()) fprintf(stderr, "%s\n", std::string(model.status().message()).c_str());
    const int64_t peak = model.ok() ? StatusValue("VmHWM:") - before : -1;
    const bool sent = write(ends[1], &peak, sizeof peak) == sizeof peak;
    _exit(sent ? 0 : 1);
  }
  close(ends[1]);
  int64_t peak = -1;
  if (read(ends[0], &peak, sizeof peak) != sizeof peak) peak = -1;
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return peak;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Two slices of 16 MiB and what a small model takes anyway, well below one matrix.
constexpr int64_t kBesides = 40 * kMiB;

TEST(Load, PeakMemoryIsTheFilesSize) {
  for (const bool tied : {false, true}) {
    const TempFolder folder;
    int64_t size = 0;
    std::string path;
    {
      const std::string file = MakeTinyGguf(Large(tied));
      size = static_cast<int64_t>(file.size());
      path = folder.Write("large.gguf", file);
    }
    for (const LoadMode load : {LoadMode::kMap, LoadMode::kCopy}) {
      for (const bool repack : {true, false}) {
        const int64_t peak = PeakOfLoading(path, Options(load, repack));
        ASSERT_GT(peak, 0);
        EXPECT_LT(peak, size + kBesides)
            << (tied ? "tied, " : "untied, ") << Name(load) << ", repack " << repack << ", file "
            << size / kMiB << " MiB";
      }
    }
  }
}

TEST(Load, ExpertsKeptApartAreNotDoubled) {
  const TempFolder folder;
  folder.WriteAll(MakeTinyFolder(LargeExperts()));
  int64_t size = 0;
  {
    const auto checkpoint = Checkpoint::Open(folder.path(), LoadMode::kMap);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    size = static_cast<int64_t>((*checkpoint)->file_bytes());
  }
  for (const LoadMode load : {LoadMode::kMap, LoadMode::kCopy}) {
    const int64_t peak = PeakOfLoading(folder.path(), Options(load));
    ASSERT_GT(peak, 0);
    EXPECT_LT(peak, size + kBesides) << Name(load) << ", file " << size / kMiB << " MiB";
  }
}
#endif

// `cancel` is promised within 250 ms: at 16 MiB a question the slowest disk that a model is kept on
// answers in time. Counted in bytes, as time on a busy machine says nothing.
TEST(Load, NoStretchWithoutAQuestionIsLong) {
  const TempFolder folder;
  const std::string path = folder.Write("large.gguf", MakeTinyGguf(Large(true)));
  ModelOptions options = Options(LoadMode::kMap);
  uint64_t last = 0, longest = 0, first_cancel = 0;
  options.progress = [&](uint64_t done, uint64_t total) {
    EXPECT_GE(done, last);
    EXPECT_LE(done, total);
    longest = std::max(longest, done - std::min(done, last));
    last = done;
    return true;
  };
  ASSERT_TRUE(Model::Load(path, options).ok());
  EXPECT_LE(longest, uint64_t{17} * kMiB);
  EXPECT_GE(last, uint64_t{64} * kMiB);

  // And a refusal in the middle of a matrix ends the load there.
  options.progress = [&](uint64_t done, uint64_t total) {
    if (done == total || done < uint64_t{20} * kMiB) return true;
    first_cancel = first_cancel == 0 ? done : first_cancel;
    return false;
  };
  const auto model = Model::Load(path, options);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kCancelled) << model.status();
  EXPECT_LT(first_cancel, uint64_t{64} * kMiB);
}

// Reading and preparing are one way from 0 to the end.
TEST(Load, ProgressOfACopyNeverFalls) {
  const TempFolder folder;
  const std::string path = folder.Write("large.gguf", MakeTinyGguf(Large(true)));
  ModelOptions options = Options(LoadMode::kCopy);
  std::vector<double> parts;
  options.progress = [&](uint64_t done, uint64_t total) {
    parts.push_back(static_cast<double>(done) / static_cast<double>(total));
    return true;
  };
  ASSERT_TRUE(Model::Load(path, options).ok());
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  EXPECT_EQ(parts.back(), 1);
  EXPECT_LT(parts.front(), 0.5);
}

// The logits of a step have the same bits however the weights are kept.
TEST(Load, NeitherRepackingNorCopyingChangesABit) {
  const std::vector<TinyModel> models = {
      {.type = DType::kQ8_0, .joined_kv_b = true},
      {.type = DType::kBF16},
      {.kind = TinyKind::kQwen2, .type = DType::kQ4_0, .tied = true},
      {.kind = TinyKind::kLlama, .tied = true},
  };
  for (size_t m = 0; m < models.size(); ++m) {
    const TempFolder folder;
    const std::string path = folder.Write("tiny.gguf", MakeTinyGguf(models[m]));
    std::vector<std::vector<float>> wanted;
    for (const LoadMode load : {LoadMode::kMap, LoadMode::kCopy}) {
      for (const bool repack : {true, false}) {
        const auto model = Model::Load(path, Options(load, repack));
        ASSERT_TRUE(model.ok()) << model.status();
        const auto evaluation = Evaluate(**model, {0, 70, 71, 72, 290, 3});
        ASSERT_TRUE(evaluation.ok()) << evaluation.status();
        if (wanted.empty()) wanted = evaluation->logits;
        ASSERT_FALSE(wanted.empty());
        EXPECT_EQ(evaluation->logits, wanted)
            << "model " << m << ", " << Name(load) << ", repack " << repack;
      }
    }
  }
}

std::vector<std::vector<float>> Logits(const std::string& gguf, const char* device) {
  ModelOptions options = Options(LoadMode::kMap);
  options.device = device;
  const auto model = Model::LoadMemory(testing::AsBytes(gguf), options);
  EXPECT_TRUE(model.ok()) << model.status();
  if (!model.ok()) return {};
  const auto evaluation = Evaluate(**model, {0, 70, 71, 72, 290, 3});
  EXPECT_TRUE(evaluation.ok()) << evaluation.status();
  return evaluation.ok() ? evaluation->logits : std::vector<std::vector<float>>();
}

int repeated_weights = 0;
rsn_backend far_table{};

// `far`, which counts the weights that it writes out itself.
int32_t OpenCountingFar(const rsn_backend_host* host, rsn_backend* table) {
  const int32_t code = OpenFarBackend(host, table);
  far_table = *table;
  table->weight_repeated = [](rsn_device_state* device, rsn_tensor* description, const void* bytes,
                              uint64_t size, uint32_t flags) {
    ++repeated_weights;
    return far_table.weight_repeated(device, description, bytes, size, flags);
  };
  return code;
}

// Random weights of a benchmark: a device that can write them out in its own memory is given what
// repeats, and comes to the same logits.
TEST(Load, WeightsThatRepeatAreWrittenOutByTheDevice) {
  const absl::Status registered = RegisterBackend("far", &OpenCountingFar);
  ASSERT_TRUE(registered.ok() || absl::IsAlreadyExists(registered)) << registered;
  constexpr int64_t kRepeat = 960;  // 15 rows of 64
  for (const TinyModel& tiny :
       {TinyModel{.type = DType::kF32, .repeat = kRepeat},
        TinyModel{.type = DType::kQ8_0, .joined_kv_b = true, .repeat = kRepeat},
        TinyModel{
            .kind = TinyKind::kQwen2, .type = DType::kQ4_0, .tied = true, .repeat = kRepeat}}) {
    SCOPED_TRACE(Traits(tiny.type).name);
    std::string gguf = MakeTinyGguf(tiny);
    const auto want = Logits(gguf, "reference");
    ASSERT_FALSE(want.empty());
    EXPECT_EQ(Logits(gguf, "far"), want);
    if (tiny.type != DType::kF32) continue;
    EXPECT_GT(repeated_weights, 0);
    // A file that lies: the last number of the head, which is the file's, is another one now.
    const float other = 5;
    memcpy(gguf.data() + gguf.size() - sizeof other, &other, sizeof other);
    const auto lied = Logits(gguf, "far");
    EXPECT_NE(lied, want);
    EXPECT_EQ(lied, Logits(gguf, "reference"));
    // In a file the key says nothing.
    const TempFolder folder;
    const auto checkpoint = Checkpoint::Open(folder.Write("tiny.gguf", gguf));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ((*checkpoint)->repeat_elements(), 0);
  }
}

TEST(Load, ARepeatOfNothingIsRefused) {
  std::string gguf = MakeTinyGguf({.repeat = 960});
  const std::string key = "raison.repeat_elements";
  const size_t value = gguf.find(key) + key.size() + sizeof(uint32_t);  // behind the value's type
  memset(gguf.data() + value, 0, sizeof(uint32_t));
  const auto checkpoint = Checkpoint::FromMemory(testing::AsBytes(gguf));
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_NE(checkpoint.status().message().find(key), std::string::npos) << checkpoint.status();
}

}  // namespace
}  // namespace raison
