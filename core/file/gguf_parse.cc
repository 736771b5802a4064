#include "core/file/gguf_parse.h"

#include <algorithm>
#include <cstring>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"

namespace raison {

namespace {

// Limits from files.md 1.5; each is far above any published model.
constexpr uint64_t kMaxString = uint64_t{1} << 30;
constexpr uint64_t kMaxKey = 65535;
constexpr uint64_t kMaxArray = uint64_t{1} << 30;
constexpr uint64_t kMaxStrings = uint64_t{1} << 24;  // each costs a view of 16 bytes
constexpr uint64_t kMaxPairs = uint64_t{1} << 16;
constexpr uint64_t kMaxTensors = uint64_t{1} << 20;
constexpr uint64_t kMaxTensorName = 127;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 16;
constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;
constexpr int64_t kMaxDim = int64_t{1} << 40;

// Names of types that exist but are not loaded, for the sentence that refuses them.
const char* OtherTypeName(uint32_t id) {
  switch (id) {
    case 4: return "Q4_2 (removed from the format)";
    case 5: return "Q4_3 (removed from the format)";
    case 9: return "Q8_1";
    case 10: return "Q2_K";
    case 11: return "Q3_K";
    case 15: return "Q8_K";
    case 16: return "IQ2_XXS";
    case 17: return "IQ2_XS";
    case 18: return "IQ3_XXS";
    case 19: return "IQ1_S";
    case 20: return "IQ4_NL";
    case 21: return "IQ3_S";
    case 22: return "IQ2_S";
    case 23: return "IQ4_XS";
    case 24: return "I8";
    case 25: return "I16";
    case 27: return "I64";
    case 28: return "F64";
    case 29: return "IQ1_M";
    case 31: case 32: case 33: case 36: case 37: case 38: return "removed from the format";
    case 34: return "TQ1_0";
    case 35: return "TQ2_0";
    case 39: return "MXFP4";
    case 40: return "NVFP4";
    case 41: return "Q1_0";
    case 42: return "Q2_0";
    default: return id >= 43 ? "unknown, or of a fork such as ik_llama.cpp" : "unknown";
  }
}

class Reader {
 public:
  Reader(absl::Span<const std::byte> file, const std::string& name) : file_(file), name_(name) {}

  size_t position() const { return at_; }
  uint64_t left() const { return file_.size() - at_; }

  absl::Status Error(std::string_view text) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": ", text));
  }

  template <typename T>
  absl::StatusOr<T> Read(std::string_view what) {
    if (left() < sizeof(T)) return Error(absl::StrCat("the file ends inside ", what));
    T value;
    std::memcpy(&value, file_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  absl::StatusOr<std::string_view> String(std::string_view what, uint64_t limit) {
    RSN_ASSIGN_OR_RETURN(const uint64_t length, Read<uint64_t>(what));
    if (length > limit || length > left()) {
      return Error(absl::StrCat(what, " has a length of ", length, " bytes, but ", left(),
                                " bytes are left and the limit is ", limit));
    }
    const std::string_view text(reinterpret_cast<const char*>(file_.data() + at_), length);
    at_ += length;
    return text;
  }

  absl::Span<const std::byte> Take(uint64_t bytes) {  // bytes <= left()
    const auto part = file_.subspan(at_, bytes);
    at_ += bytes;
    return part;
  }

 private:
  absl::Span<const std::byte> file_;
  const std::string& name_;
  size_t at_ = 0;
};

std::string Quoted(std::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, 80)), "'");
}

absl::Status RefuseRelative(const Reader& in, absl::Span<const std::byte> file) {
  const std::string_view head(reinterpret_cast<const char*>(file.data()),
                              std::min<size_t>(file.size(), 32));
  if (head.starts_with("version https://git-lfs")) {
    return in.Error("is a Git LFS pointer, not the model: fetch it with 'git lfs pull'");
  }
  for (const std::string_view magic : {"lmgg", "fmgg", "tjgg"}) {
    if (head.starts_with(magic)) return in.Error("is a pre-GGUF ggml file: convert the model again");
  }
  if (head.starts_with("FUGG")) return in.Error("is a big-endian GGUF file, which is not supported");
  if (head.starts_with("PK")) return in.Error("is a zip archive, not a GGUF file");
  if (head.size() > 8 && head[8] == '{') {
    return in.Error("is a safetensors file: give the folder that holds it and config.json");
  }
  return in.Error(absl::StrCat("is not a GGUF file: it starts with ", Quoted(head.substr(0, 4))));
}

absl::StatusOr<GgufValue> ReadArray(Reader& in, std::string_view what) {
  GgufValue value;
  value.type = GgufType::kArray;
  RSN_ASSIGN_OR_RETURN(const uint32_t element, in.Read<uint32_t>(what));
  RSN_ASSIGN_OR_RETURN(const uint64_t count, in.Read<uint64_t>(what));
  const bool strings = element == static_cast<uint32_t>(GgufType::kString);
  const uint64_t bytes = strings ? 8 : GgufTypeBytes(element);
  if (bytes == 0) {
    return in.Error(absl::StrCat(what, " is an array of element type ", element,
                                 ", which is not supported"));
  }
  if (count > (strings ? kMaxStrings : kMaxArray) || count > in.left() / bytes) {
    return in.Error(absl::StrCat(what, " is an array of ", count, " elements, but only ", in.left(),
                                 " bytes are left"));
  }
  value.element = static_cast<GgufType>(element);
  value.count = count;
  if (!strings) {
    value.elements = in.Take(count * bytes);
    return value;
  }
  for (uint64_t i = 0; i < count; ++i) {
    RSN_ASSIGN_OR_RETURN(const std::string_view text, in.String(what, kMaxString));
    value.strings.push_back(text);
  }
  return value;
}

absl::StatusOr<GgufValue> ReadValue(Reader& in, std::string_view what) {
  RSN_ASSIGN_OR_RETURN(const uint32_t type, in.Read<uint32_t>(what));
  if (GgufTypeName(type) == nullptr) {
    return in.Error(absl::StrCat(what, " has the unknown value type ", type));
  }
  if (type == static_cast<uint32_t>(GgufType::kArray)) return ReadArray(in, what);
  if (type == static_cast<uint32_t>(GgufType::kString)) {
    GgufValue value;
    value.type = GgufType::kString;
    RSN_ASSIGN_OR_RETURN(value.text, in.String(what, kMaxString));
    return value;
  }
  const size_t bytes = GgufTypeBytes(type);
  if (in.left() < bytes) return in.Error(absl::StrCat("the file ends inside ", what));
  return GgufScalar(static_cast<GgufType>(type), in.Take(bytes).data());
}

absl::Status ReadMetadata(Reader& in, uint64_t count, GgufMetadata& metadata) {
  for (uint64_t i = 0; i < count; ++i) {
    RSN_ASSIGN_OR_RETURN(const std::string_view key,
                         in.String(absl::StrCat("the key ", i), kMaxKey));
    if (key.empty()) return in.Error(absl::StrCat("the key ", i, " is empty"));
    RSN_ASSIGN_OR_RETURN(GgufValue value, ReadValue(in, absl::StrCat("the key ", Quoted(key))));
    if (!metadata.Insert(key, std::move(value))) {
      return in.Error(absl::StrCat("the key ", Quoted(key), " appears twice"));
    }
  }
  return absl::OkStatus();
}

struct TensorInfo {
  GgufTensor tensor;
  uint64_t offset = 0, bytes = 0;
};

absl::StatusOr<TensorInfo> ReadTensorInfo(Reader& in, uint64_t index) {
  TensorInfo info;
  const std::string number = absl::StrCat("the description of tensor ", index);
  RSN_ASSIGN_OR_RETURN(const std::string_view name, in.String(number, kMaxTensorName));
  if (name.empty()) return in.Error(absl::StrCat("tensor ", index, " has no name"));
  // Every name in use is ASCII; others would reach callers who were promised UTF-8.
  for (const char c : name) {
    if (c < ' ' || c > '~') {
      return in.Error(absl::StrCat("the name of tensor ", index, " has the byte ",
                                   static_cast<unsigned char>(c), ", which is not printable ASCII"));
    }
  }
  const std::string what = absl::StrCat("tensor ", Quoted(name));
  RSN_ASSIGN_OR_RETURN(const uint32_t dims, in.Read<uint32_t>(what));
  if (dims < 1 || dims > 4) {
    return in.Error(absl::StrCat(what, " has ", dims, " dimensions, 1 to 4 are allowed"));
  }
  for (uint32_t d = 0; d < dims; ++d) {
    RSN_ASSIGN_OR_RETURN(const uint64_t ne, in.Read<uint64_t>(what));
    if (ne < 1 || ne > static_cast<uint64_t>(kMaxDim)) {
      return in.Error(absl::StrCat(what, " has the dimension ", ne));
    }
    info.tensor.shape.insert(info.tensor.shape.begin(), static_cast<int64_t>(ne));
  }
  RSN_ASSIGN_OR_RETURN(const uint32_t type, in.Read<uint32_t>(what));
  const DTypeTraits* traits = FindDTypeTraits(type);
  if (traits == nullptr) {
    return absl::UnimplementedError(absl::StrCat(in.Error(what).message(), " has the type id ",
                                                 type, " (", OtherTypeName(type),
                                                 "), which is not supported"));
  }
  info.tensor.dtype = static_cast<DType>(type);
  info.tensor.name = std::string(name);
  RSN_ASSIGN_OR_RETURN(info.offset, in.Read<uint64_t>(what));
  RSN_ASSIGN_OR_RETURN(
      info.bytes, CheckedTensorBytes(std::string(in.Error(what).message()), info.tensor.dtype,
                                     info.tensor.shape));
  return info;
}

absl::Status PlaceTensors(const Reader& in, absl::Span<const std::byte> file, uint64_t alignment,
                          std::vector<TensorInfo>& infos) {
  const uint64_t end = in.position();
  const uint64_t start = (end + alignment - 1) / alignment * alignment;  // end <= SIZE_MAX / 2
  const uint64_t size = start <= file.size() ? file.size() - start : 0;
  std::vector<const TensorInfo*> order;
  for (TensorInfo& info : infos) {
    const std::string what = absl::StrCat("tensor ", Quoted(info.tensor.name));
    if (info.offset % alignment != 0) {
      return in.Error(absl::StrCat(what, " starts at offset ", info.offset,
                                   ", which is no multiple of the alignment ", alignment));
    }
    if (info.offset > size || info.bytes > size - info.offset) {
      return in.Error(absl::StrCat(what, " needs ", info.bytes, " bytes at offset ", info.offset,
                                   ", but the data section has ", size, " bytes"));
    }
    info.tensor.bytes = file.subspan(start + info.offset, info.bytes);
    order.push_back(&info);
  }
  std::sort(order.begin(), order.end(),
            [](const TensorInfo* a, const TensorInfo* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      return in.Error(absl::StrCat("the tensors ", Quoted(order[i - 1]->tensor.name), " and ",
                                   Quoted(order[i]->tensor.name), " overlap"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<uint64_t> CheckedTensorBytes(const std::string& what, DType dtype,
                                            absl::Span<const int64_t> shape) {
  const DTypeTraits& traits = Traits(dtype);
  const int64_t row = shape.empty() ? 1 : shape.back();
  if (row % traits.block != 0) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has rows of ", row, " weights, no multiple of the ",
                                                   traits.block, " of a ", traits.name, " block"));
  }
  uint64_t bytes = traits.bytes;
  bool overflow = __builtin_mul_overflow(bytes, static_cast<uint64_t>(row / traits.block), &bytes);
  for (size_t i = 0; i + 1 < shape.size(); ++i) {
    overflow |= __builtin_mul_overflow(bytes, static_cast<uint64_t>(shape[i]), &bytes);
  }
  if (overflow) {
    return absl::InvalidArgumentError(absl::StrCat(what, " has dimensions whose product overflows"));
  }
  return bytes;
}

absl::StatusOr<GgufHeader> ParseGguf(absl::Span<const std::byte> file, const std::string& name) {
  Reader in(file, name);
  if (file.size() < 4 || std::memcmp(file.data(), "GGUF", 4) != 0) return RefuseRelative(in, file);
  in.Take(4);
  GgufHeader header{.metadata = GgufMetadata(name)};
  RSN_ASSIGN_OR_RETURN(header.version, in.Read<uint32_t>("the version"));
  if (header.version == 1) return in.Error("is GGUF version 1: convert the model again");
  if ((header.version & 0xffff) == 0 && header.version != 0) {
    return in.Error("is a big-endian GGUF file, which is not supported");
  }
  if (header.version != 2 && header.version != 3) {
    return in.Error(absl::StrCat("is GGUF version ", header.version, ", supported are 2 and 3"));
  }
  RSN_ASSIGN_OR_RETURN(const uint64_t tensor_count, in.Read<uint64_t>("the tensor count"));
  RSN_ASSIGN_OR_RETURN(const uint64_t pair_count, in.Read<uint64_t>("the metadata count"));
  if (pair_count > kMaxPairs || pair_count > in.left() / kMinPairBytes) {
    return in.Error(absl::StrCat("metadata_kv_count is ", pair_count, ", but only ", in.left(),
                                 " bytes follow and the limit is ", kMaxPairs));
  }
  if (tensor_count > kMaxTensors || tensor_count > in.left() / kMinTensorBytes) {
    return in.Error(absl::StrCat("tensor_count is ", tensor_count, ", but only ", in.left(),
                                 " bytes follow and the limit is ", kMaxTensors));
  }
  RSN_RETURN_IF_ERROR(ReadMetadata(in, pair_count, header.metadata));

  uint64_t alignment = 32;
  if (const GgufValue* value = header.metadata.Find("general.alignment")) {
    alignment = static_cast<uint64_t>(value->integer);
    if (value->type != GgufType::kUint32 || alignment == 0 || alignment > kMaxAlignment ||
        (alignment & (alignment - 1)) != 0) {
      return header.metadata.Wrong("general.alignment", *value,
                                   absl::StrCat("a UINT32 power of two up to ", kMaxAlignment));
    }
  }
  std::vector<TensorInfo> infos;
  absl::flat_hash_set<std::string> names;
  for (uint64_t i = 0; i < tensor_count; ++i) {
    RSN_ASSIGN_OR_RETURN(TensorInfo info, ReadTensorInfo(in, i));
    if (!names.insert(info.tensor.name).second) {
      return in.Error(absl::StrCat("the tensor ", Quoted(info.tensor.name), " appears twice"));
    }
    infos.push_back(std::move(info));
  }
  RSN_RETURN_IF_ERROR(PlaceTensors(in, file, alignment, infos));
  for (TensorInfo& info : infos) header.tensors.push_back(std::move(info.tensor));
  return header;
}

}  // namespace raison
