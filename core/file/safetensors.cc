#include "core/file/safetensors.h"

#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"

namespace raison {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;  // the reference reader's limit
constexpr size_t kMaxTensors = size_t{1} << 20;
constexpr size_t kMaxName = 512;
constexpr size_t kMaxRank = 8;

std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, 120)), "'");
}

struct Dtype {
  const char* name;
  uint64_t bits;
};
constexpr Dtype kDtypes[] = {{"BOOL", 8}, {"U8", 8},      {"I8", 8},      {"F8_E4M3", 8},
                             {"F8_E5M2", 8}, {"I16", 16}, {"U16", 16},    {"F16", 16},
                             {"BF16", 16},   {"I32", 32}, {"U32", 32},    {"F32", 32},
                             {"I64", 64},    {"U64", 64}, {"F64", 64}};

struct Parsed {
  SafetensorsEntry entry;
  bool has_dtype = false, has_shape = false, has_offsets = false;
  std::vector<uint64_t> offsets;
};

// Accepts exactly the form { name: { dtype, shape, data_offsets }, "__metadata__": { s: s } }.
class Handler : public nlohmann::json_sax<Json> {
 public:
  std::string error;
  std::vector<Parsed> parsed;

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShape) {
      if (parsed.back().entry.shape.size() == kMaxRank) return Fail("has more than 8 dimensions");
      if (value > (uint64_t{1} << 48)) return Fail(absl::StrCat("has the dimension ", value));
      parsed.back().entry.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ == State::kOffsets && parsed.back().offsets.size() < 2) {
      parsed.back().offsets.push_back(value);
      return true;
    }
    return Unexpected("a number");
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadata) return true;
    if (state_ == State::kTensor && key_ == "dtype" && !parsed.back().has_dtype) {
      parsed.back().has_dtype = true;
      parsed.back().entry.dtype = value;
      return true;
    }
    return Unexpected("a string");
  }

  bool start_object(size_t) override {
    if (state_ == State::kStart) {
      state_ = State::kTop;
    } else if (state_ == State::kTop) {
      if (key_ == "__metadata__") {
        state_ = State::kMetadata;
      } else {
        if (parsed.size() == kMaxTensors) return Fail("is one tensor too many");
        if (key_.empty() || key_.size() > kMaxName) return Fail("has a name of unusual length");
        parsed.emplace_back().entry.name = key_;
        state_ = State::kTensor;
      }
    } else {
      return Unexpected("an object");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (state_ == State::kTop && !names_.insert(value).second) {
      tensor_ = value;
      return Fail("appears twice");
    }
    if (state_ == State::kTop) tensor_ = value;
    key_ = std::move(value);
    return true;
  }

  bool end_object() override {
    if (state_ == State::kTensor) {
      const Parsed& last = parsed.back();
      if (!last.has_dtype || !last.has_shape || last.offsets.size() != 2) {
        return Fail("needs dtype, shape and two data_offsets");
      }
    }
    state_ = state_ == State::kTop ? State::kEnd : State::kTop;
    return true;
  }

  bool start_array(size_t) override {
    if (state_ == State::kTensor && key_ == "shape" && !parsed.back().has_shape) {
      parsed.back().has_shape = true;
      state_ = State::kShape;
      return true;
    }
    if (state_ == State::kTensor && key_ == "data_offsets" && !parsed.back().has_offsets) {
      parsed.back().has_offsets = true;
      state_ = State::kOffsets;
      return true;
    }
    return Unexpected("an array");
  }

  bool end_array() override {
    state_ = State::kTensor;
    return true;
  }

  bool parse_error(size_t position, const std::string&, const Json::exception&) override {
    if (error.empty()) error = absl::StrCat("the header is not JSON at byte ", position);
    return false;
  }

 private:
  enum class State { kStart, kTop, kTensor, kShape, kOffsets, kMetadata, kEnd };

  bool Fail(std::string_view text) {
    error = absl::StrCat("the header entry ", Quoted(tensor_), " ", text);
    return false;
  }
  bool Unexpected(std::string_view what) {
    return Fail(absl::StrCat("has ", what, " where none belongs (key ", Quoted(key_), ")"));
  }

  State state_ = State::kStart;
  std::string key_, tensor_;
  absl::flat_hash_set<std::string> names_;
};

absl::Status CheckBytes(const std::string& file, const Parsed& tensor) {
  const SafetensorsEntry& entry = tensor.entry;
  const auto* dtype = std::find_if(std::begin(kDtypes), std::end(kDtypes),
                                   [&](const Dtype& d) { return entry.dtype == d.name; });
  const std::string what = absl::StrCat(file, ": tensor ", Quoted(entry.name));
  if (dtype == std::end(kDtypes)) {
    return absl::UnimplementedError(
        absl::StrCat(what, " has the unknown dtype ", Quoted(entry.dtype)));
  }
  uint64_t bytes = dtype->bits / 8;
  bool overflow = false;
  for (const int64_t dim : entry.shape) {
    overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(dim), &bytes);
  }
  if (overflow) return absl::InvalidArgumentError(absl::StrCat(what, " has an overflowing shape"));
  const uint64_t stored = tensor.offsets[1] - tensor.offsets[0];
  if (bytes != stored) {
    return absl::InvalidArgumentError(absl::StrCat(what, " needs ", bytes,
                                                   " bytes by dtype and shape, data_offsets give ",
                                                   stored));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SafetensorsEntry>> ParseSafetensors(absl::Span<const std::byte> file,
                                                               const std::string& name) {
  const auto error = [&](std::string_view text) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", text));
  };
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  if (all.starts_with("version https://git-lfs")) {
    return error("is a Git LFS pointer, not the weights: fetch them with 'git lfs pull'");
  }
  if (all.size() < 8) return error("is shorter than a safetensors header");
  if (all.starts_with("{") || all.starts_with("PK") || all.starts_with("GGUF")) {
    return error("is not a safetensors file");
  }
  uint64_t length;
  std::memcpy(&length, file.data(), 8);
  if (length > kMaxHeader || length > file.size() - 8) {
    return error(absl::StrCat("the header length is ", length, ", but ", file.size() - 8,
                              " bytes follow and the limit is ", kMaxHeader));
  }
  const std::string_view text = all.substr(8, length);
  if (!text.starts_with("{")) return error("the header does not start with '{'");
  Handler handler;
  if (!Json::sax_parse(text.begin(), text.end(), &handler)) return error(handler.error);

  std::vector<Parsed>& parsed = handler.parsed;
  const absl::Span<const std::byte> data = file.subspan(8 + length);
  std::sort(parsed.begin(), parsed.end(),
            [](const Parsed& a, const Parsed& b) { return a.offsets < b.offsets; });
  uint64_t end = 0;
  std::vector<SafetensorsEntry> result;
  for (Parsed& tensor : parsed) {
    const uint64_t from = tensor.offsets[0], to = tensor.offsets[1];
    if (from != end || to < from || to > data.size()) {
      return error(absl::StrCat("tensor ", Quoted(tensor.entry.name), " has data_offsets ", from,
                                ", ", to, "; expected a start of ", end, " and an end up to ",
                                data.size()));
    }
    end = to;
    RSN_RETURN_IF_ERROR(CheckBytes(name, tensor));
    tensor.entry.bytes = data.subspan(from, to - from);
    result.push_back(std::move(tensor.entry));
  }
  if (end != data.size()) {
    return error(absl::StrCat("has ", data.size(), " bytes of data, its header describes ", end));
  }
  return result;
}

}  // namespace raison
