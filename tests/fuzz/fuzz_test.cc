// 20,000 damaged files per run, each given to Model::Load as an application would: a damaged GGUF
// in memory, or a folder with a damaged safetensors header, config.json or tokenizer.json. What
// loads is used: text is tokenised, the template rendered and, every so often, a step computed.
// Under AddressSanitizer with hard_rss_limit_mb=1024 any read outside, crash or huge allocation ends
// the run. RAISON_FUZZ_SEED and RAISON_FUZZ_COUNT (per test) choose another or a longer run.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>
#include <functional>

#include "core/file/checkpoint.h"
#include "core/model/evaluate.h"
#include "core/model/model.h"
#include "tests/fuzz/mutator.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using testing::AsBytes;
using testing::MakeTinyFolder;
using testing::MakeTinyGguf;
using testing::Mutator;
using testing::TempFolder;
using testing::TinyKind;
using testing::TinyModel;

constexpr long kMemoryLimitKib = 1 << 20;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

const std::vector<TinyModel>& Models() {
  static const auto* models = new std::vector<TinyModel>{
      {},
      {.type = DType::kQ8_0, .joined_kv_b = true, .yarn = true, .mtp = true},
      {.kind = TinyKind::kDeepseekV2, .q_lora = false},
      {.kind = TinyKind::kLlama, .tied = true, .llama3_rope = true},
      {.kind = TinyKind::kQwen2, .type = DType::kQ4_0},
  };
  return *models;
}

ModelOptions Options() {
  return {.device = "cpu", .threads = 1, .context_length = 64, .kv_bytes = uint64_t{4} << 20};
}

// What an application does with a model that it could load.
void Use(const Model& model, bool step) {
  const auto ids = model.tokenizer().Encode("Wait, 12 + 5 = 17.\n\n<think>");
  if (!ids.ok() || ids->empty()) return;
  model.tokenizer().Decode(*ids);
  if (model.chat_template().ok()) {
    (void)(*model.chat_template())
        ->Render({{.role = "user", .content = "Hello", .thinking = ""}}, {});
  }
  if (step) (void)Evaluate(model, absl::MakeConstSpan(*ids).subspan(0, 3));
}

struct Tally {
  uint64_t loaded = 0, refused = 0;
};

// Runs `count` mutations; `load` damages with its mutator and loads. A refusal names the file:
// `names` says which, by the mutation's model.
Tally RunAll(uint64_t count, const std::function<std::string(size_t)>& names,
             const std::function<absl::StatusOr<std::shared_ptr<Model>>(Mutator&, size_t)>& load) {
  const uint64_t seed = FromEnvironment("RAISON_FUZZ_SEED", 20261124);
  count = FromEnvironment("RAISON_FUZZ_COUNT", count);
  Tally tally;
  for (uint64_t i = 0; i < count; ++i) {
    Mutator mutator(seed * 1000003 + i);
    const auto model = load(mutator, i % Models().size());
    if (model.ok()) {
      Use(**model, ++tally.loaded % 16 == 0);
    } else {
      ++tally.refused;
      EXPECT_FALSE(model.status().message().empty()) << "mutation " << i;
      EXPECT_LT(model.status().message().size(), 2000u) << "mutation " << i;
      EXPECT_NE(model.status().message().find(names(i % Models().size())), std::string::npos)
          << "mutation " << i << ": " << model.status();
    }
  }
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  EXPECT_LT(usage.ru_maxrss, kMemoryLimitKib);
  // Damage that is always, or never, noticed would test nothing.
  EXPECT_GT(tally.loaded, count / 100);
  EXPECT_GT(tally.refused, count / 10);
  ::testing::Test::RecordProperty("loaded", static_cast<int>(tally.loaded));
  ::testing::Test::RecordProperty("refused", static_cast<int>(tally.refused));
  return tally;
}

// The harness itself: undamaged, every model loads and computes a step.
TEST(Fuzz, UndamagedModelsLoad) {
  for (const TinyModel& tiny : Models()) {
    const std::string file = MakeTinyGguf(tiny);
    const auto model = Model::LoadMemory(AsBytes(file), Options());
    ASSERT_TRUE(model.ok()) << model.status();
    const auto evaluation = Evaluate(**model, {1, 2, 3});
    EXPECT_TRUE(evaluation.ok()) << evaluation.status();
  }
}

struct Target {
  std::string file;
  size_t header = 0;
  testing::Fields fields;
};

Target MakeTarget(const TinyModel& model) {
  Target t{.file = MakeTinyGguf(model)};
  t.fields.structure = {4, 8, 16};
  const auto checkpoint = Checkpoint::FromMemory(AsBytes(t.file));
  if (!checkpoint.ok()) return t;
  for (const auto& [key, value] : (*checkpoint)->gguf()->values()) {
    const size_t at = t.file.find(key), end = at + key.size();
    t.fields.structure.insert(t.fields.structure.end(), {at - 8, end});
    const bool scalar = value.type != GgufType::kString && value.type != GgufType::kArray;
    (scalar ? t.fields.values : t.fields.structure).push_back(end + 4);
    if (value.type == GgufType::kString) t.fields.contents.push_back({end + 12, value.text.size()});
    if (value.type == GgufType::kArray) {
      t.fields.structure.push_back(end + 8);
      const size_t bytes = value.elements.empty() ? value.count * 9 : value.elements.size();
      t.fields.contents.push_back({end + 16, bytes});
    }
  }
  t.header = t.file.size();
  for (const StoredTensor& tensor : (*checkpoint)->tensors()) {
    const size_t at = t.file.find(tensor.name), end = at + tensor.name.size();
    const size_t type = end + 4 + 8 * tensor.shape.size();
    t.fields.structure.insert(t.fields.structure.end(), {at - 8, end});
    t.fields.values.insert(t.fields.values.end(), {end + 4, type - 8, type, type + 4});
    t.fields.contents.push_back({at, tensor.name.size()});
    const size_t data = static_cast<size_t>(
        tensor.parts[0].data() - reinterpret_cast<const std::byte*>(t.file.data()));
    t.header = std::min(t.header, data);
  }
  return t;
}

TEST(Fuzz, Gguf) {
  std::vector<Target> targets;
  for (const TinyModel& model : Models()) targets.push_back(MakeTarget(model));
  RunAll(8000, [](size_t) { return "memory"; }, [&](Mutator& mutator, size_t which) {
    const Target& t = targets[which];
    const size_t limit = mutator.Chance(90) ? t.header : t.file.size();
    const std::string file = mutator.Binary(t.file, limit, t.fields);
    // Exactly its size on the heap: a read past the end is seen. The model borrows the bytes.
    auto bytes = std::make_shared<std::vector<char>>(file.begin(), file.end());
    auto model = Model::LoadMemory(
        {reinterpret_cast<const std::byte*>(bytes->data()), bytes->size()}, Options());
    using Result = absl::StatusOr<std::shared_ptr<Model>>;
    if (!model.ok()) return Result(model.status());
    Model* raw = model->get();
    return Result(std::shared_ptr<Model>(raw, [bytes, keep = *model](Model*) mutable {
      keep.reset();
      bytes.reset();
    }));
  });
}

// A folder per tiny model; one file of it is damaged, loaded and restored.
void FuzzFolder(uint64_t count, const std::string& name,
                const std::function<std::string(Mutator&, const std::string&)>& damage) {
  std::vector<std::unique_ptr<TempFolder>> folders;
  std::vector<std::string> contents;
  for (TinyModel model : Models()) {
    model.type = model.type == DType::kF32 ? DType::kF32 : DType::kBF16;
    const auto files = MakeTinyFolder(model);
    folders.push_back(std::make_unique<TempFolder>());
    folders.back()->WriteAll(files);
    contents.push_back(files.at(name));
  }
  ModelOptions options = Options();
  options.load = LoadMode::kCopy;  // exactly the file's bytes, not a page of them
  const auto names = [&](size_t which) { return folders[which]->path(); };
  RunAll(count, names, [&](Mutator& mutator, size_t which) {
    folders[which]->Write(name, damage(mutator, contents[which]));
    return Model::Load(folders[which]->path(), options);
  });
}

TEST(Fuzz, SafetensorsHeader) {
  FuzzFolder(4000, "model.safetensors", [](Mutator& mutator, const std::string& file) {
    uint64_t length;
    std::memcpy(&length, file.data(), 8);
    if (mutator.Chance(20)) return mutator.Binary(file, 8 + length, {.structure = {0}});
    const std::string header = mutator.Text(file.substr(8, length)), data = file.substr(8 + length);
    // The length is made to fit, or the damage would seldom be looked at.
    length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
  });
}

TEST(Fuzz, ConfigJson) {
  FuzzFolder(4000, "config.json", [](Mutator& mutator, const std::string& file) {
    return mutator.Text(file);
  });
}

TEST(Fuzz, TokenizerJson) {
  FuzzFolder(4000, "tokenizer.json", [](Mutator& mutator, const std::string& file) {
    return mutator.Text(file);
  });
}

}  // namespace
}  // namespace raison
