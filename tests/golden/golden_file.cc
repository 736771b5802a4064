#include "tests/golden/golden_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/escaping.h"

namespace raison::golden {
namespace {

uint64_t NameHash(const std::string& name) {  // FNV-1a
  uint64_t h = 0xCBF29CE484222325u;
  for (const char c : name) h = (h ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  return h;
}

// splitmix64's finaliser over a counter.
uint64_t Bits(uint64_t start, uint64_t index) {
  uint64_t z = start + (index + 1) * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

float Value(const std::string& kind, double a, double b, uint64_t word) {
  if (kind == "uniform") {
    return static_cast<float>(a + (b - a) * (static_cast<double>(word >> 40) / 16777216.0));
  }
  uint64_t total = 0;
  for (int shift = 0; shift < 64; shift += 16) total += (word >> shift) & 0xFFFF;
  return static_cast<float>(a + b * ((static_cast<double>(total) - 131070.0) / 37837.0));
}

uint16_t ToBf16(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return static_cast<uint16_t>((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

// Nearest even; the generated values are far from overflow, and tiny ones may be subnormal.
uint16_t ToF16(float x) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double a = std::fabs(static_cast<double>(x));
  if (a == 0) return sign;
  const int e = std::max(std::ilogb(a), -14);
  const double scaled = std::nearbyint(std::ldexp(a, 10 - e));  // 1024..2048, less if subnormal
  return static_cast<uint16_t>(sign + ((e + 14) << 10) + static_cast<int>(scaled));
}

template <typename T>
void Append(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

void WriteFile(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<long>(bytes.size()));
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << "cannot read " << path;
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

std::vector<int32_t> Prompt::Tokens() const {
  std::vector<int32_t> all = prompt;
  all.insert(all.end(), greedy.begin(), greedy.end());
  return all;
}

template <typename T>
std::vector<T> Decode(const nlohmann::json& text) {
  std::string bytes;
  EXPECT_TRUE(absl::Base64Unescape(text.get<std::string>(), &bytes));
  std::vector<T> out(bytes.size() / sizeof(T));
  std::memcpy(out.data(), bytes.data(), out.size() * sizeof(T));
  return out;
}
template std::vector<float> Decode(const nlohmann::json&);
template std::vector<uint16_t> Decode(const nlohmann::json&);

nlohmann::json ReadJson(const std::string& path) {
  nlohmann::json json = nlohmann::json::parse(ReadFile(path), nullptr, /*allow_exceptions=*/false);
  EXPECT_TRUE(json.is_object()) << path;
  return json;
}

std::vector<Prompt> ReadPrompts(const nlohmann::json& golden) {
  std::vector<Prompt> out;
  for (const nlohmann::json& p : golden.at("prompts")) {
    Prompt& prompt = out.emplace_back();
    prompt.text = p.value("text", "");
    prompt.prompt = p.at("prompt").get<std::vector<int32_t>>();
    prompt.greedy = p.at("greedy").get<std::vector<int32_t>>();
    if (p.contains("margin")) prompt.margin = p["margin"].get<std::vector<float>>();
    if (!p.contains("rows")) continue;
    prompt.rows = p["rows"].get<std::vector<uint32_t>>();
    for (const nlohmann::json& row : p.at("logits")) prompt.logits.push_back(Decode<float>(row));
    for (const auto& [layer, rows] : p.at("routing").items()) {
      for (const nlohmann::json& row : rows) {
        prompt.routing[static_cast<uint32_t>(std::stoul(layer))].push_back(
            {row.at(0).get<std::vector<int32_t>>(), row.at(1).get<std::vector<float>>()});
      }
    }
  }
  return out;
}

std::string SourcePath(const std::string& name) {
  return std::string(RAISON_SOURCE_DIR "/tests/golden/") + name;
}

double Tolerance(const std::string& name) {
  static const nlohmann::json tolerances = ReadJson(SourcePath("tolerances.json"));
  return tolerances.at(name).get<double>();
}

std::string WriteModelFolder(const std::string& name, const std::string& parent) {
  const nlohmann::json golden = ReadJson(SourcePath("models/" + name + ".json"));
  const std::filesystem::path folder = std::filesystem::path(parent) / name;
  std::filesystem::create_directories(folder);
  WriteFile(folder / "config.json", golden.at("config").dump(1));
  WriteFile(folder / "tokenizer.json", ReadFile(SourcePath("models/tokenizer.json")));
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const nlohmann::json& t : golden.at("tensors")) {  // name, shape, kind, a, b
    const std::string tensor = t.at(0);
    const std::string kind = t.at(2);
    const double a = t.at(3), b = t.at(4);
    uint64_t count = 1;
    for (const nlohmann::json& n : t.at(1)) count *= n.get<uint64_t>();
    // As in checkpoints, the correction bias stays f32 whatever the rest is.
    const bool bias = tensor.ends_with("e_score_correction_bias");
    const std::string dtype = bias ? "F32" : golden.at("dtype").get<std::string>();
    const uint64_t start =
        NameHash(tensor) ^ (golden.at("seed").get<uint64_t>() * 0x9E3779B97F4A7C15u);
    const size_t begin = data.size();
    for (uint64_t i = 0; i < count; ++i) {
      const float value = Value(kind, a, b, Bits(start, i));
      if (dtype == "F32") Append(&data, value);
      if (dtype == "F16") Append(&data, ToF16(value));
      if (dtype == "BF16") Append(&data, ToBf16(value));
    }
    header[tensor] = {{"dtype", dtype}, {"shape", t.at(1)}, {"data_offsets", {begin, data.size()}}};
  }
  std::string head = header.dump();
  head.append((8 - head.size() % 8) % 8, ' ');
  std::string file;
  Append(&file, static_cast<uint64_t>(head.size()));
  WriteFile(folder / "model.safetensors", file + head + data);
  return folder.string();
}

double Divergence(const std::vector<float>& p, const std::vector<float>& q) {
  const auto normaliser = [](const std::vector<float>& z) {
    const double largest = *std::max_element(z.begin(), z.end());
    double sum = 0;
    for (const float x : z) sum += std::exp(x - largest);
    return largest + std::log(sum);
  };
  const double np = normaliser(p), nq = normaliser(q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    sum += std::exp(p[i] - np) * ((p[i] - np) - (q[i] - nq));
  }
  return sum;
}

}  // namespace raison::golden
