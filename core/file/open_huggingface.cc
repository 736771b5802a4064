// A Hugging Face folder: JSON files, chat templates, and one or several safetensors files.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/container/flat_hash_map.h"
#include "core/base/os/files.h"
#include "core/file/hf_names.h"
#include "core/file/json.h"
#include "core/file/open.h"
#include "core/file/safetensors.h"

namespace raison {
namespace {

constexpr uint64_t kMaxConfig = uint64_t{16} << 20;
constexpr uint64_t kMaxTokenizer = uint64_t{256} << 20;  // Kimi's and Gemma's have about 30 MB
constexpr uint64_t kMaxIndex = uint64_t{64} << 20;       // R1's has 9 MB
constexpr uint64_t kMaxTemplate = uint64_t{1} << 20;
constexpr int64_t kMaxExperts = 4096;

absl::Status ReadJson(const std::string& folder, const char* name, uint64_t limit,
                      std::unique_ptr<nlohmann::json>& out) {
  const std::string path = JoinPath(folder, name);
  if (!IsFile(path)) return absl::OkStatus();
  RSN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, limit));
  RSN_ASSIGN_OR_RETURN(nlohmann::json value, ParseJsonObject(text, path));
  out = std::make_unique<nlohmann::json>(std::move(value));
  return absl::OkStatus();
}

bool IsPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos &&
         name.find('\\') == name.npos && name.find('\0') == name.npos;
}

// Shard names in order, and for each tensor the shard it must lie in (empty without an index).
struct Shards {
  std::vector<std::string> files;
  absl::flat_hash_map<std::string, std::string> weight_map;
};

absl::StatusOr<Shards> FindShards(const std::string& folder) {
  Shards shards;
  const std::string index = JoinPath(folder, "model.safetensors.index.json");
  if (!IsFile(index)) {
    if (!IsFile(JoinPath(folder, "model.safetensors"))) {
      return absl::NotFoundError(absl::StrCat(
          folder, ": has neither model.safetensors nor model.safetensors.index.json"));
    }
    shards.files.push_back("model.safetensors");
    return shards;
  }
  RSN_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(index, kMaxIndex));
  RSN_ASSIGN_OR_RETURN(const nlohmann::json json, ParseJsonObject(text, index));
  const JsonKeys keys(json, index);
  const nlohmann::json* map = keys.Find("weight_map");
  if (map == nullptr || !map->is_object()) return keys.Wrong("weight_map", "an object");
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || !IsPlainName(file.get_ref<const std::string&>())) {
      return keys.Error("weight_map", absl::StrCat("gives no plain file name for ", tensor));
    }
    shards.weight_map.emplace(tensor, file.get<std::string>());
    shards.files.push_back(file.get<std::string>());
  }
  std::sort(shards.files.begin(), shards.files.end());
  shards.files.erase(std::unique(shards.files.begin(), shards.files.end()), shards.files.end());
  return shards;
}

absl::Status CheckIndex(const Shards& shards, const std::string& shard,
                        const std::vector<SafetensorsEntry>& entries) {
  if (shards.weight_map.empty()) return absl::OkStatus();
  size_t expected = 0;
  for (const auto& [tensor, file] : shards.weight_map) expected += file == shard ? 1 : 0;
  for (const SafetensorsEntry& entry : entries) {
    const auto it = shards.weight_map.find(entry.name);
    if (it == shards.weight_map.end() || it->second != shard) {
      return absl::InvalidArgumentError(absl::StrCat(
          shard, ": the tensor '", entry.name, "' is not listed for this file in weight_map"));
    }
  }
  if (entries.size() != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat(shard, ": holds ", entries.size(), " tensors, weight_map lists ", expected));
  }
  return absl::OkStatus();
}

// Collects tensors under their GGUF names; experts that lie apart become parts of one tensor.
class Collector {
 public:
  absl::Status Add(const std::string& file, const SafetensorsEntry& entry) {
    const MappedName mapped = MapHuggingFaceName(entry.name);
    if (mapped.ignored) return absl::OkStatus();
    const std::string what = absl::StrCat(file, ": the tensor '", entry.name, "'");
    StoredTensor tensor{.name = mapped.gguf, .shape = entry.shape, .parts = {entry.bytes}};
    if (entry.dtype == "F32") {
      tensor.dtype = DType::kF32;
    } else if (entry.dtype == "F16") {
      tensor.dtype = DType::kF16;
    } else if (entry.dtype == "BF16") {
      tensor.dtype = DType::kBF16;
    } else {
      return absl::UnimplementedError(absl::StrCat(
          what, " has the dtype ", entry.dtype, ", which is not supported (F32, F16 and BF16 are)"));
    }
    if (tensor.shape.empty() || tensor.shape.size() > 4 ||
        std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " has a shape without elements or of ", tensor.shape.size(), " dimensions"));
    }
    if (mapped.expert >= 0) return AddExpert(what, mapped, std::move(tensor));
    if (!mapped.gguf_second.empty()) return AddFused(what, mapped, std::move(tensor));
    return Insert(what, std::move(tensor));
  }

  absl::StatusOr<std::vector<StoredTensor>> Finish(const std::string& folder) {
    for (auto& [name, stack] : stacks_) {
      StoredTensor& tensor = stack.tensor;
      for (const auto& [expert, part] : stack.experts) {  // ascending
        if (expert != static_cast<int64_t>(tensor.parts.size())) {
          return absl::InvalidArgumentError(absl::StrCat(
              folder, ": expert ", tensor.parts.size(), " of '", name, "' is missing"));
        }
        tensor.parts.push_back(part);
      }
      tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(tensor.parts.size()));
      RSN_RETURN_IF_ERROR(Insert(folder, std::move(tensor)));
    }
    return std::move(tensors_);
  }

 private:
  struct Stack {
    StoredTensor tensor;  // shape of one expert, no parts yet
    std::map<int64_t, absl::Span<const std::byte>> experts;
  };

  absl::Status Insert(const std::string& what, StoredTensor tensor) {
    if (!names_.emplace(tensor.name, true).second) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, ": a second tensor stands for '", tensor.name, "'"));
    }
    tensors_.push_back(std::move(tensor));
    return absl::OkStatus();
  }

  absl::Status AddExpert(const std::string& what, const MappedName& mapped, StoredTensor tensor) {
    if (mapped.expert >= kMaxExperts) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is expert ", mapped.expert,
                                                     ", the limit is ", kMaxExperts));
    }
    Stack& stack = stacks_[mapped.gguf];
    const auto part = tensor.parts[0];
    if (stack.experts.empty()) {
      stack.tensor = std::move(tensor);
      stack.tensor.parts.clear();
    } else if (stack.tensor.dtype != tensor.dtype || stack.tensor.shape != tensor.shape) {
      return absl::InvalidArgumentError(
          absl::StrCat(what, " differs in dtype or shape from the other experts"));
    }
    if (!stack.experts.emplace(mapped.expert, part).second) {
      return absl::InvalidArgumentError(absl::StrCat(what, " appears twice"));
    }
    return absl::OkStatus();
  }

  // (experts, 2 * width, in): gate rows first, then up rows.
  absl::Status AddFused(const std::string& what, const MappedName& mapped, StoredTensor tensor) {
    if (tensor.shape.size() != 3 || tensor.shape[1] % 2 != 0 || tensor.shape[0] > kMaxExperts) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is not (experts, 2 * width, in)"));
    }
    const size_t experts = static_cast<size_t>(tensor.shape[0]);
    const auto all = tensor.parts[0];
    const size_t half = all.size() / experts / 2;
    tensor.shape[1] /= 2;
    tensor.parts.clear();
    StoredTensor up = tensor;
    up.name = mapped.gguf_second;
    for (size_t e = 0; e < experts; ++e) {
      tensor.parts.push_back(all.subspan(2 * e * half, half));
      up.parts.push_back(all.subspan((2 * e + 1) * half, half));
    }
    RSN_RETURN_IF_ERROR(Insert(what, std::move(tensor)));
    return Insert(what, std::move(up));
  }

  std::vector<StoredTensor> tensors_;
  absl::flat_hash_map<std::string, bool> names_;
  std::map<std::string, Stack> stacks_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Checkpoint>> HuggingFaceOpener::Open(const std::string& folder,
                                                                    LoadMode mode,
                                                                    const LoadProgress& progress) {
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->format_ = Checkpoint::Format::kHuggingFace;
  checkpoint->path_ = folder;
  checkpoint->container_ = "Hugging Face folder";
  RSN_RETURN_IF_ERROR(ReadTexts(*checkpoint));
  RSN_RETURN_IF_ERROR(ReadChatTemplates(*checkpoint));
  RSN_RETURN_IF_ERROR(ReadShards(*checkpoint, mode, progress));
  RSN_RETURN_IF_ERROR(checkpoint->BuildIndex());
  return checkpoint;
}

absl::Status HuggingFaceOpener::ReadTexts(Checkpoint& c) {
  const std::string& folder = c.path_;
  RSN_RETURN_IF_ERROR(ReadJson(folder, "config.json", kMaxConfig, c.config_));
  if (c.config_ == nullptr) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": is a folder without config.json, so no Hugging Face model"));
  }
  if (const auto it = c.config_->find("quantization_config");
      it != c.config_->end() && !it->is_null()) {
    const bool named = it->is_object() && it->contains("quant_method") &&
                       (*it)["quant_method"].is_string();
    return absl::UnimplementedError(absl::StrCat(
        JoinPath(folder, "config.json"), ": 'quantization_config.quant_method' is ",
        named ? (*it)["quant_method"].get<std::string>() : "not given",
        "; only plain F32, F16 and BF16 safetensors are supported, or take a GGUF file"));
  }
  RSN_RETURN_IF_ERROR(
      ReadJson(folder, "generation_config.json", kMaxConfig, c.generation_config_));
  RSN_RETURN_IF_ERROR(ReadJson(folder, "tokenizer_config.json", kMaxConfig, c.tokenizer_config_));
  const std::string tokenizer = JoinPath(folder, "tokenizer.json");
  if (IsFile(tokenizer)) {
    RSN_ASSIGN_OR_RETURN(c.tokenizer_json_, ReadTextFile(tokenizer, kMaxTokenizer));
  }
  return absl::OkStatus();
}

// tokenizer_config.json first, chat_template.jinja replaces its default, others are added by name.
absl::Status HuggingFaceOpener::ReadChatTemplates(Checkpoint& c) {
  if (c.tokenizer_config_ != nullptr) {
    const JsonKeys keys(*c.tokenizer_config_, JoinPath(c.path_, "tokenizer_config.json"));
    const nlohmann::json* value = keys.Find("chat_template");
    if (value != nullptr && value->is_string()) {
      c.chat_templates_["default"] = value->get<std::string>();
    } else if (value != nullptr && value->is_array()) {
      for (const nlohmann::json& entry : *value) {
        if (!entry.is_object()) return keys.Wrong("chat_template", "a list of objects");
        const JsonKeys named(entry, keys.file(), "chat_template[].");
        RSN_ASSIGN_OR_RETURN(const std::string name, named.GetString("name"));
        RSN_ASSIGN_OR_RETURN(c.chat_templates_[name], named.GetString("template"));
      }
    } else if (value != nullptr) {
      return keys.Wrong("chat_template", "a string or a list");
    }
  }
  const std::string file = JoinPath(c.path_, "chat_template.jinja");
  if (IsFile(file)) {
    RSN_ASSIGN_OR_RETURN(c.chat_templates_["default"], ReadTextFile(file, kMaxTemplate));
  }
  const std::string more = JoinPath(c.path_, "additional_chat_templates");
  if (IsFolder(more)) {
    RSN_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFiles(more));
    for (const std::string& name : names) {
      if (!name.ends_with(".jinja")) continue;
      RSN_ASSIGN_OR_RETURN(c.chat_templates_[name.substr(0, name.size() - 6)],
                           ReadTextFile(JoinPath(more, name), kMaxTemplate));
    }
  }
  return absl::OkStatus();
}

absl::Status HuggingFaceOpener::ReadShards(Checkpoint& c, LoadMode mode,
                                           const LoadProgress& progress) {
  RSN_ASSIGN_OR_RETURN(const Shards shards, FindShards(c.path_));
  Collector collector;
  for (const std::string& shard : shards.files) {
    RSN_ASSIGN_OR_RETURN(std::unique_ptr<MappedFile> file,
                         MappedFile::Open(JoinPath(c.path_, shard), mode, progress));
    RSN_ASSIGN_OR_RETURN(const auto entries, ParseSafetensors(file->bytes(), shard));
    RSN_RETURN_IF_ERROR(CheckIndex(shards, shard, entries));
    for (const SafetensorsEntry& entry : entries) {
      RSN_RETURN_IF_ERROR(collector.Add(shard, entry));
    }
    c.file_bytes_ += file->bytes().size();
    c.files_.push_back(std::move(file));
  }
  RSN_ASSIGN_OR_RETURN(c.tensors_, collector.Finish(c.path_));
  return absl::OkStatus();
}

}  // namespace raison
