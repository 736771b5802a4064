// Byte-level byte-pair encoding of one word: the merges by rank, lowest first, leftmost on ties.
// Immutable after construction; what a thread needs to encode lies in BpeScratch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace raison {

// Remembers the ids of recent words: direct-mapped, so neither size nor time depends on the text.
class WordCache {
 public:
  static constexpr size_t kSlots = 1 << 14;
  static constexpr size_t kMaxBytes = 23;  // longer words are rare and merge anew
  static constexpr size_t kMaxIds = 8;

  struct Slot {
    int32_t ids[kMaxIds];  // [count]
    char bytes[kMaxBytes];
    uint8_t length = 0;  // 0: empty
    uint8_t count = 0;
  };
  WordCache() : slots_(kSlots) {}
  // The slot in which the word belongs, whatever it holds now.
  Slot& At(std::string_view word);

 private:
  std::vector<Slot> slots_;  // [kSlots]
};

struct BpeScratch {
  struct Symbol {
    int32_t id;
    int32_t previous, next;  // -1 at the ends
  };
  WordCache cache;
  std::vector<Symbol> symbols;
  std::vector<uint64_t> heap;  // rank << 32 | position
};

enum class MergeRole : uint8_t {
  kNone,  // no text leads to this token
  kFull,
  kMergesOnly,  // an added token that merges may name, but that no word becomes as a whole
};

class Bpe {
 public:
  struct Vocab {
    // Bytes of each token and its part in merging, by id. The strings must outlive the Bpe.
    const std::vector<std::string>* tokens = nullptr;
    const std::vector<MergeRole>* roles = nullptr;
    bool ignore_merges = false;  // a word that is a kFull token is taken whole
    int32_t unknown = -1;  // for a byte without a token; -1: the byte is left out, as upstream does
    bool fuse_unknown = false;
  };

  explicit Bpe(const Vocab& vocab);
  // Adds the next merge in rank order; false when one of its parts or the result is no token.
  bool AddMerge(std::string_view left, std::string_view right);
  size_t merges() const { return merges_.size(); }
  // Whether each of the bytes is a token of its own: else encoding leaves some of them out.
  bool HasAll(std::string_view bytes) const;
  // The token with these bytes, or -1.
  int32_t Find(std::string_view bytes) const;

  void Encode(std::string_view word, BpeScratch* scratch, std::vector<int32_t>* out) const;

 private:
  struct Result {
    uint32_t rank;
    int32_t id;
  };
  static uint64_t Key(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  const Result* FindMerge(int32_t left, int32_t right) const {
    const auto it = merges_.find(Key(left, right));
    return it == merges_.end() ? nullptr : &it->second;
  }
  void EncodeShort(const int32_t* ids, size_t count, std::vector<int32_t>* out) const;
  void EncodeLong(const int32_t* ids, size_t count, BpeScratch* scratch,
                  std::vector<int32_t>* out) const;

  Vocab vocab_;
  int32_t byte_ids_[256];  // [byte], -1: none
  absl::flat_hash_map<std::string_view, int32_t> ids_;
  absl::flat_hash_map<uint64_t, Result> merges_;
  uint32_t next_rank_ = 0;
  std::string joined_;  // of AddMerge
};

}  // namespace raison
