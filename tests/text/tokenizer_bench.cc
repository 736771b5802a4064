// Encoding and decoding speed on one thread, beside tokenizer_bench.py for Hugging Face tokenizers:
//   tokenizer_bench tokenizer.json text.txt
// Both read the same files and count the same way: the whole text in pieces of 10 kB.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/model/text/tokenizer.h"
#include "core/model/text/utf8.h"

namespace raison {
namespace {

std::string g_json, g_text;

std::string ReadFile(const char* path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string_view> Pieces() {
  std::vector<std::string_view> pieces;
  for (std::string_view rest = g_text; !rest.empty();) {
    size_t end = std::min<size_t>(10'000, rest.size());
    while (end < rest.size() && (rest[end] & 0xC0) == 0x80) ++end;
    pieces.push_back(rest.substr(0, end));
    rest.remove_prefix(end);
  }
  return pieces;
}

void Load(benchmark::State& state) {
  for (auto _ : state) {
    auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = g_json});
    if (!tokenizer.ok()) state.SkipWithError(tokenizer.status().ToString().c_str());
  }
}

void Encode(benchmark::State& state) {
  const auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = g_json});
  if (!tokenizer.ok()) return state.SkipWithError(tokenizer.status().ToString().c_str());
  const std::vector<std::string_view> pieces = Pieces();
  size_t ids = 0;
  for (auto _ : state) {
    ids = 0;
    for (const std::string_view piece : pieces) ids += (*tokenizer)->Encode(piece)->size();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * g_text.size()));
  state.counters["ids"] = static_cast<double>(ids);
}

void Decode(benchmark::State& state) {
  const auto tokenizer = Tokenizer::FromHuggingFace({.tokenizer_json = g_json});
  if (!tokenizer.ok()) return state.SkipWithError(tokenizer.status().ToString().c_str());
  const std::vector<int32_t> ids = *(*tokenizer)->Encode(g_text);
  for (auto _ : state) benchmark::DoNotOptimize((*tokenizer)->Decode(ids));
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * g_text.size()));
}

BENCHMARK(Load)->Unit(benchmark::kMillisecond);
BENCHMARK(Encode)->Unit(benchmark::kMillisecond);
BENCHMARK(Decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace raison

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: tokenizer_bench tokenizer.json text.txt\n");
    return 2;
  }
  raison::g_json = raison::ReadFile(argv[1]);
  raison::g_text = raison::ReadFile(argv[2]);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
