// The tokenizers of whole model files: Petit, which is in the repository, and SmolLM2, whose file
// RAISON_TEST_SMOLLM2 names; without it that test says that it was skipped.
#include <cstdlib>
#include <fstream>

#include "core/file/checkpoint.h"
#include "core/model/vocabulary.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace raison {
namespace {

void CompareWithGolden(const std::string& path, const std::string& golden) {
  const auto checkpoint = Checkpoint::Open(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const auto tokenizer = LoadTokenizer(**checkpoint);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::ifstream file(RAISON_SOURCE_DIR "/tests/golden/text/" + golden);
  const nlohmann::json vectors = nlohmann::json::parse(file);
  ASSERT_GT(vectors["cases"].size(), 200u);
  for (const auto& one : vectors["cases"]) {
    const std::string text = one["text"];
    EXPECT_EQ(*(*tokenizer)->Encode(text), one["plain"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ(*(*tokenizer)->Encode(text, {.parse_special = true}),
              one["special"].get<std::vector<int32_t>>())
        << text;
  }
}

#ifdef RAISON_SMOLLM2_TEST
TEST(SmolLm2Text, IdsEqualHuggingFace) {
  const char* path = std::getenv("RAISON_TEST_SMOLLM2");
  if (path == nullptr) GTEST_SKIP() << "RAISON_TEST_SMOLLM2 names no file";
  CompareWithGolden(path, "smollm2_text.json");
}
#else
TEST(PetitText, IdsEqualHuggingFace) {
  CompareWithGolden(RAISON_SOURCE_DIR "/samples/petit/petit-q8_0.gguf", "petit_text.json");
}
#endif

}  // namespace
}  // namespace raison
