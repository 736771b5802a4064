#include "core/file/gguf_writer.h"

namespace raison {
namespace {

template <typename T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void PutString(std::string& out, std::string_view text) {
  Put<uint64_t>(out, text.size());
  out.append(text);
}

}  // namespace

void GgufWriter::Key(std::string_view key, GgufType type) {
  ++pair_count_;
  PutString(pairs_, key);
  Put(pairs_, static_cast<uint32_t>(type));
}

void GgufWriter::AddUint32(std::string_view key, uint32_t value) {
  Key(key, GgufType::kUint32);
  Put(pairs_, value);
}

void GgufWriter::AddFloat32(std::string_view key, float value) {
  Key(key, GgufType::kFloat32);
  Put(pairs_, value);
}

void GgufWriter::AddBool(std::string_view key, bool value) {
  Key(key, GgufType::kBool);
  Put(pairs_, static_cast<uint8_t>(value ? 1 : 0));
}

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  Key(key, GgufType::kString);
  PutString(pairs_, value);
}

void GgufWriter::AddStrings(std::string_view key, absl::Span<const std::string> values) {
  Key(key, GgufType::kArray);
  Put(pairs_, static_cast<uint32_t>(GgufType::kString));
  Put<uint64_t>(pairs_, values.size());
  for (const std::string& value : values) PutString(pairs_, value);
}

void GgufWriter::AddInt32s(std::string_view key, absl::Span<const int32_t> values) {
  Key(key, GgufType::kArray);
  Put(pairs_, static_cast<uint32_t>(GgufType::kInt32));
  Put<uint64_t>(pairs_, values.size());
  for (const int32_t value : values) Put(pairs_, value);
}

void GgufWriter::AddTensor(std::string_view name, DType dtype, absl::Span<const int64_t> shape) {
  ++tensor_count_;
  PutString(infos_, name);
  Put(infos_, static_cast<uint32_t>(shape.size()));
  uint64_t rows = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    Put(infos_, static_cast<uint64_t>(shape[i]));
    if (i + 1 < shape.size()) rows *= static_cast<uint64_t>(shape[i]);
  }
  Put(infos_, static_cast<uint32_t>(dtype));
  Put(infos_, data_bytes_);
  data_bytes_ += Padded(rows * RowBytes(dtype, static_cast<size_t>(shape.back())));
}

std::string GgufWriter::Header() const {
  std::string out = "GGUF";
  Put<uint32_t>(out, 3);
  Put(out, tensor_count_);
  Put(out, pair_count_);
  out += pairs_;
  out += infos_;
  out.resize(Padded(out.size()), '\0');
  return out;
}

}  // namespace raison
