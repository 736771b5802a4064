// GGUF: what is read from a good file, and one sentence for each way a header can lie.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>

#include "core/base/os/files.h"
#include "core/file/checkpoint.h"
#include "core/file/gguf_writer.h"
#include "tests/support/expect.h"
#include "tests/support/tiny_model.h"

namespace raison {
namespace {

using testing::AsBytes;
using testing::MakeTinyGguf;
using testing::TempFolder;
using testing::TinyKind;

// A GGUF written field by field, so that each can be wrong.
class Raw {
 public:
  template <typename T>
  Raw& Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Raw& Text(const std::string& text) {
    Put<uint64_t>(text.size());
    bytes_ += text;
    return *this;
  }
  Raw& Head(uint64_t tensors, uint64_t pairs, uint32_t version = 3) {
    bytes_ += "GGUF";
    return Put(version).Put(tensors).Put(pairs);
  }
  // Innermost dimension first.
  Raw& Tensor(const std::string& name, std::initializer_list<uint64_t> dims, uint32_t type,
              uint64_t offset) {
    Text(name).Put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) Put(dim);
    return Put(type).Put(offset);
  }
  Raw& Data(size_t bytes) {
    bytes_.resize((bytes_.size() + 31) / 32 * 32 + bytes, '\1');
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string ErrorOf(const std::string& bytes) {
  const auto result = Checkpoint::FromMemory(AsBytes(bytes));
  return result.ok() ? "OK" : std::string(result.status().message());
}

TEST(Gguf, ReadsTensorsAndMetadata) {
  const std::string file = MakeTinyGguf({.type = DType::kQ8_0});
  const auto c = Checkpoint::FromMemory(AsBytes(file));
  ASSERT_TRUE(c.ok()) << c.status();
  EXPECT_EQ((*c)->format(), Checkpoint::Format::kGguf);
  EXPECT_EQ((*c)->Description(), "GGUF v3");
  const StoredTensor* experts = (*c)->Find("blk.1.ffn_gate_exps.weight");
  ASSERT_NE(experts, nullptr);
  EXPECT_EQ(experts->shape, (std::vector<int64_t>{4, 32, 64}));
  EXPECT_EQ(experts->dtype, DType::kQ8_0);
  EXPECT_EQ(experts->bytes(), 4u * 32 * 64 / 32 * 34);
  EXPECT_EQ((*c)->Find("nothing"), nullptr);
  ASSERT_NE((*c)->chat_template(), nullptr);
  EXPECT_HAS(*(*c)->chat_template(), "<think>");
  const auto tokens = (*c)->gguf()->GetStrings("tokenizer.ggml.tokens");
  ASSERT_TRUE(tokens.ok());
  EXPECT_EQ(tokens->size(), 300u);
  EXPECT_EQ((*tokens)[5], "<think>");
}

TEST(Gguf, GettersNameKeyFoundAndWanted) {
  const std::string file = MakeTinyGguf({});
  const auto c = Checkpoint::FromMemory(AsBytes(file));
  ASSERT_TRUE(c.ok());
  const GgufMetadata& m = *(*c)->gguf();
  EXPECT_HAS(m.GetString("deepseek2.block_count").status().message(),
             "memory: the key 'deepseek2.block_count' is UINT32 2, wanted a STRING");
  EXPECT_HAS(std::string(m.GetInt("deepseek2.block_count", 5, 9).status().message()),
              "an integer from 5 to 9");
  EXPECT_HAS(std::string(m.GetInt("nothing", 5, 9).status().message()), "missing");
  EXPECT_EQ(m.GetInt("nothing", 5, 9, 7).value(), 7);
  EXPECT_FALSE(m.GetInts("tokenizer.ggml.tokens").ok());
  EXPECT_FALSE(m.GetFloats("tokenizer.ggml.token_type").ok());
  EXPECT_EQ(m.GetInts("tokenizer.ggml.token_type")->size(), 300u);
  EXPECT_FALSE(m.GetPerBlockInt("tokenizer.ggml.token_type", 2, 0, 10).ok());
}

TEST(Gguf, RelativesAreRefusedByName) {
  EXPECT_HAS(ErrorOf("version https://git-lfs.github.com/spec/v1\n"), "Git LFS");
  EXPECT_HAS(ErrorOf("tjgg............"), "pre-GGUF");
  EXPECT_HAS(ErrorOf("PK\3\4............"), "zip");
  EXPECT_HAS(ErrorOf(std::string("\x40\0\0\0\0\0\0\0{\"a\":1}", 15)), "safetensors");
  EXPECT_HAS(ErrorOf("FUGG"), "big-endian");
  EXPECT_HAS(ErrorOf("hello"), "not a GGUF file");
  EXPECT_HAS(ErrorOf(""), "not a GGUF file");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 0, 1).bytes()), "version 1");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 0, 0x03000000).bytes()), "big-endian");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 0, 4).bytes()), "version 4");
}

TEST(Gguf, CountsAndLengthsAreBoundByTheBytesThatAreThere) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  EXPECT_HAS(ErrorOf(Raw().Head(kHuge, 0).bytes()), "tensor_count");
  EXPECT_HAS(ErrorOf(Raw().Head(0, kHuge).bytes()), "metadata_kv_count");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Put(kHuge).Data(64).bytes()), "the key 0");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Text("").Put(0u).Data(64).bytes()), "is empty");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Text("k").Put(13u).Data(64).bytes()),
              "unknown value type 13");
  EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Text("k").Put(8u).Put(kHuge).Data(64).bytes()),
              "length of 18446744073709551615");
  // Arrays: a count that wraps when multiplied, of arrays, of unknown elements, of strings.
  for (const uint32_t element : {0u, 4u, 8u, 12u}) {
    EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Text("k").Put(9u).Put(element).Put(kHuge / 8 + 2).Data(64)
                            .bytes()),
                "elements") << element;
  }
  EXPECT_HAS(ErrorOf(Raw().Head(0, 1).Text("k").Put(9u).Put(9u).Put<uint64_t>(1).Data(64).bytes()),
              "element type 9");
  EXPECT_HAS(
      ErrorOf(Raw().Head(0, 2).Text("k").Put(0u).Put('a').Text("k").Put(0u).Put('b').Data(9).bytes()),
      "appears twice");
}

TEST(Gguf, TensorsThatDoNotFitAreRefused) {
  const auto one = [](std::initializer_list<uint64_t> dims, uint32_t type, uint64_t offset,
                      size_t data = 256) {
    return ErrorOf(Raw().Head(1, 0).Tensor("w", dims, type, offset).Data(data).bytes());
  };
  EXPECT_EQ(one({8, 8}, 0, 0), "OK");
  EXPECT_HAS(one({8, 8}, 0, 0, 255), "needs 256 bytes at offset 0");
  EXPECT_HAS(one({8, 8}, 0, 32), "needs 256 bytes at offset 32");
  EXPECT_HAS(one({8, 8}, 0, 8), "alignment");
  EXPECT_HAS(one({8, 8}, 0, uint64_t{0} - 32), "at offset 18446744073709551584");
  EXPECT_HAS(one({8, 0}, 0, 0), "dimension 0");
  EXPECT_HAS(one({8, uint64_t{1} << 63}, 0, 0), "dimension 9223372036854775808");
  const uint64_t big = uint64_t{1} << 40;
  EXPECT_HAS(one({big, big, 2}, 0, 0), "overflows");
  EXPECT_HAS(one({big, 1 << 22, 1}, 0, 0), "overflows");
  EXPECT_HAS(one({8, 8, 1, 1, 1}, 0, 0), "5 dimensions");
  EXPECT_HAS(one({}, 0, 0), "0 dimensions");
  EXPECT_HAS(one({33}, 8, 0), "no multiple of the 32");
  EXPECT_HAS(one({256}, 10, 0), "type id 10 (Q2_K)");
  EXPECT_HAS(one({256}, 39, 0), "MXFP4");
  EXPECT_HAS(one({256}, 133, 0), "ik_llama.cpp");
  EXPECT_HAS(one({256}, 0xffffffff, 0), "type id 4294967295");
  EXPECT_HAS(ErrorOf(Raw().Head(1, 0).Tensor("", {8}, 0, 0).Data(32).bytes()), "no name");
  EXPECT_HAS(ErrorOf(Raw().Head(1, 0).Tensor("w\xFF", {8}, 0, 0).Data(32).bytes()),
              "tensor 0 has the byte 255");
  EXPECT_HAS(ErrorOf(Raw().Head(2, 0).Tensor("w", {8}, 0, 0).Tensor("w", {8}, 0, 32).Data(64).bytes()),
              "appears twice");
  EXPECT_HAS(ErrorOf(Raw().Head(2, 0).Tensor("a", {9}, 0, 0).Tensor("b", {8}, 0, 32).Data(64).bytes()),
              "'a' and 'b' overlap");
}

TEST(Gguf, AlignmentMustBeAPowerOfTwo) {
  const auto aligned = [](uint32_t type, uint64_t value) {
    Raw raw;
    raw.Head(0, 1).Text("general.alignment").Put(type);
    if (type == 4) raw.Put(static_cast<uint32_t>(value));
    if (type == 10) raw.Put(value);
    return ErrorOf(raw.Data(64).bytes());
  };
  EXPECT_EQ(aligned(4, 64), "OK");
  for (const uint32_t bad : {0u, 48u, 1u << 20, 0x80000000u}) {
    EXPECT_HAS(aligned(4, bad), "general.alignment") << bad;
  }
  EXPECT_HAS(aligned(10, 32), "wanted a UINT32");
}

TEST(Gguf, EveryTruncationIsAStatus) {
  const std::string file = MakeTinyGguf({});
  const size_t header = 20000;  // past the vocabulary, inside the tensor descriptions
  ASSERT_GT(file.size(), header);
  for (size_t length = 0; length < header; length += 1 + length / 64) {
    // A copy of exactly this size, so that AddressSanitizer sees a read past the end.
    const std::vector<char> cut(file.begin(), file.begin() + static_cast<int64_t>(length));
    const auto c = Checkpoint::FromMemory(
        {reinterpret_cast<const std::byte*>(cut.data()), cut.size()});
    EXPECT_FALSE(c.ok()) << length;
  }
  EXPECT_NE(ErrorOf(file.substr(0, file.size() - 1000)), "OK");
}

TEST(Gguf, FromAPathMappedOrCopied) {
  const TempFolder folder;
  const std::string content = MakeTinyGguf({});
  const std::string path = folder.Write("tiny.gguf", content);
  for (const LoadMode mode : {LoadMode::kMap, LoadMode::kCopy}) {
    uint64_t last = 0;
    const auto c = Checkpoint::Open(path, mode, [&](uint64_t done, uint64_t total) {
      last = done;
      return total == content.size();
    });
    ASSERT_TRUE(c.ok()) << c.status();
    EXPECT_EQ(last, mode == LoadMode::kCopy ? content.size() : 0);  // mapping reads nothing
    const StoredTensor* t = (*c)->Find("token_embd.weight");
    ASSERT_NE(t, nullptr);
    float first;
    std::memcpy(&first, t->parts[0].data(), 4);
    EXPECT_NE(first, 0);
    (*c)->Release(*t);
    if (mode == LoadMode::kMap) {  // a mapped file is simply read again
      float again;
      std::memcpy(&again, t->parts[0].data(), 4);
      EXPECT_EQ(again, first);
    }
    const auto cancelled = Checkpoint::Open(path, mode, [](uint64_t, uint64_t) { return false; });
    EXPECT_TRUE(absl::IsCancelled(cancelled.status()));
  }
  EXPECT_TRUE(absl::IsNotFound(Checkpoint::Open(folder.path() + "/none.gguf").status()));
  EXPECT_HAS(std::string(Checkpoint::Open("/dev/null").status().message()),
              "not a regular file");
  EXPECT_HAS(std::string(Checkpoint::Open(folder.Write("e.gguf", "")).status().message()),
              "is empty");
}

// Two files of one model: split 0 has the metadata and one tensor, split 1 the other tensor.
std::string Split(uint16_t number, uint16_t count, int32_t tensors, const std::string& name) {
  Raw raw;
  raw.Head(1, 3).Text("split.no").Put(2u).Put(number).Text("split.count").Put(2u).Put(count);
  raw.Text("split.tensors.count").Put(5u).Put(tensors).Tensor(name, {8}, 0, 0).Data(32);
  return raw.bytes();
}

TEST(Gguf, SplitFilesAreJoined) {
  const TempFolder folder;
  const std::string first = folder.Write("m-00001-of-00002.gguf", Split(0, 2, 2, "a"));
  const std::string second = folder.Write("m-00002-of-00002.gguf", Split(1, 2, 2, "b"));
  for (const std::string& path : {first, second}) {
    const auto c = Checkpoint::Open(path);
    ASSERT_TRUE(c.ok()) << c.status();
    EXPECT_NE((*c)->Find("a"), nullptr);
    EXPECT_NE((*c)->Find("b"), nullptr);
    EXPECT_EQ((*c)->Description(), "GGUF v3, 2 files");
  }
  const auto error = [&](const std::string& content) {
    folder.Write("m-00002-of-00002.gguf", content);
    return std::string(Checkpoint::Open(first).status().message());
  };
  EXPECT_HAS(error(Split(0, 2, 2, "b")), "split.no");
  EXPECT_HAS(error(Split(1, 3, 2, "b")), "split.count");
  EXPECT_HAS(error(Split(1, 2, 2, "a")), "appears in two files");
  folder.Write("m-00001-of-00002.gguf", Split(0, 2, 3, "a"));
  EXPECT_HAS(error(Split(1, 2, 3, "b")), "split.tensors.count");
  folder.Write("m-00001-of-00002.gguf", Split(0, 7, 2, "a"));
  EXPECT_HAS(std::string(Checkpoint::Open(first).status().message()), "one of 7");
  const std::string lone = folder.Write("lone.gguf", Split(0, 2, 2, "a"));
  EXPECT_HAS(std::string(Checkpoint::Open(lone).status().message()), "its name");
  EXPECT_HAS(ErrorOf(Split(0, 2, 2, "a")), "give their path");
  folder.Write("n-00001-of-00002.gguf", Split(0, 2, 2, "a"));
  EXPECT_TRUE(absl::IsNotFound(
      Checkpoint::Open(folder.path() + "/n-00001-of-00002.gguf").status()));
}

TEST(Files, AtomicFileAppearsOnlyWhenComplete) {
  const TempFolder folder;
  const std::string path = folder.path() + "/out.bin";
  {
    auto file = AtomicFile::Create(path);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE(file->Write("abc", 3).ok());
    EXPECT_FALSE(IsFile(path));
  }
  EXPECT_EQ(ListFiles(folder.path())->size(), 0u);
  auto file = AtomicFile::Create(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Write("abc", 3).ok());
  ASSERT_TRUE(file->Commit().ok());
  EXPECT_EQ(ReadTextFile(path, 10).value(), "abc");
  EXPECT_FALSE(ReadTextFile(path, 2).ok());
  EXPECT_FALSE(AtomicFile::Create(folder.path() + "/no/such/out.bin").ok());
}

}  // namespace
}  // namespace raison
