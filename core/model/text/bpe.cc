#include "core/model/text/bpe.h"

#include <algorithm>
#include <cstring>
#include <functional>

namespace raison {
namespace {

// Up to this many symbols, looking at all pairs after each merge beats a heap.
constexpr size_t kShortWord = 32;
constexpr uint32_t kNoRank = UINT32_MAX;

}  // namespace

WordCache::Slot& WordCache::At(std::string_view word) {
  // Two multiply-xor rounds over eight bytes each; a poor hash only costs a miss.
  uint64_t h = word.size() * 0x9E3779B97F4A7C15ull;
  for (size_t i = 0; i < word.size(); i += 8) {
    uint64_t part = 0;
    std::memcpy(&part, word.data() + i, std::min<size_t>(8, word.size() - i));
    h = (h ^ part) * 0xFF51AFD7ED558CCDull;
    h ^= h >> 32;
  }
  return slots_[h % kSlots];
}

Bpe::Bpe(const Vocab& vocab) : vocab_(vocab) {
  std::fill(std::begin(byte_ids_), std::end(byte_ids_), -1);
  ids_.reserve(vocab_.tokens->size());
  for (size_t id = 0; id < vocab_.tokens->size(); ++id) {
    const std::string& bytes = (*vocab_.tokens)[id];
    if (bytes.empty() || (*vocab_.roles)[id] == MergeRole::kNone) continue;
    // The first id of two equal texts is the one that encoding gives.
    const bool fresh = ids_.emplace(bytes, static_cast<int32_t>(id)).second;
    if (fresh && bytes.size() == 1) {
      byte_ids_[static_cast<uint8_t>(bytes[0])] = static_cast<int32_t>(id);
    }
  }
}

int32_t Bpe::Find(std::string_view bytes) const {
  const auto it = ids_.find(bytes);
  return it == ids_.end() ? -1 : it->second;
}

bool Bpe::HasAll(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(),
                     [&](char c) { return byte_ids_[static_cast<uint8_t>(c)] >= 0; });
}

bool Bpe::AddMerge(std::string_view left, std::string_view right) {
  const int32_t a = Find(left), b = Find(right);
  if (a < 0 || b < 0) return false;
  joined_.assign(left);
  joined_.append(right);
  const int32_t joined = Find(joined_);
  if (joined < 0) return false;
  // A pair that comes twice keeps its later rank, as in Hugging Face's loader.
  merges_[Key(a, b)] = {next_rank_++, joined};
  return true;
}

void Bpe::Encode(std::string_view word, BpeScratch* scratch, std::vector<int32_t>* out) const {
  if (word.size() == 1 && byte_ids_[static_cast<uint8_t>(word[0])] >= 0) {
    out->push_back(byte_ids_[static_cast<uint8_t>(word[0])]);
    return;
  }
  WordCache::Slot* slot = nullptr;
  if (word.size() <= WordCache::kMaxBytes) {
    slot = &scratch->cache.At(word);
    if (slot->length == word.size() && std::memcmp(slot->bytes, word.data(), word.size()) == 0) {
      out->insert(out->end(), slot->ids, slot->ids + slot->count);
      return;
    }
  }
  const size_t begin = out->size();
  const int32_t whole = vocab_.ignore_merges ? Find(word) : -1;
  if (whole >= 0 && (*vocab_.roles)[whole] == MergeRole::kFull) {
    out->push_back(whole);
  } else {
    // The symbols go to the end of `out` first and are merged from there.
    for (const char c : word) {
      int32_t id = byte_ids_[static_cast<uint8_t>(c)];
      if (id < 0) {
        if (vocab_.unknown < 0) continue;
        id = vocab_.unknown;
        if (vocab_.fuse_unknown && out->size() > begin && out->back() == id) continue;
      }
      out->push_back(id);
    }
    const size_t count = out->size() - begin;
    if (count > kShortWord) {
      const std::vector<int32_t> ids(out->begin() + begin, out->end());
      out->resize(begin);
      EncodeLong(ids.data(), count, scratch, out);
    } else if (count > 1) {
      int32_t ids[kShortWord];
      std::copy(out->begin() + begin, out->end(), ids);
      out->resize(begin);
      EncodeShort(ids, count, out);
    }
  }
  const size_t count = out->size() - begin;
  if (slot != nullptr && count <= WordCache::kMaxIds) {
    std::memcpy(slot->bytes, word.data(), word.size());
    std::copy(out->begin() + begin, out->end(), slot->ids);
    slot->length = static_cast<uint8_t>(word.size());
    slot->count = static_cast<uint8_t>(count);
  }
}

void Bpe::EncodeShort(const int32_t* first, size_t count, std::vector<int32_t>* out) const {
  int32_t ids[kShortWord];       // [count]
  uint32_t ranks[kShortWord];    // [count - 1] of the pair (i, i + 1)
  int32_t results[kShortWord];   // [count - 1]
  std::copy(first, first + count, ids);
  const auto look_up = [&](size_t i) {
    const Result* merge = FindMerge(ids[i], ids[i + 1]);
    ranks[i] = merge == nullptr ? kNoRank : merge->rank;
    results[i] = merge == nullptr ? -1 : merge->id;
  };
  for (size_t i = 0; i + 1 < count; ++i) look_up(i);
  while (count > 1) {
    const size_t best = std::min_element(ranks, ranks + count - 1) - ranks;  // the leftmost
    if (ranks[best] == kNoRank) break;
    ids[best] = results[best];
    --count;
    for (size_t i = best + 1; i < count; ++i) ids[i] = ids[i + 1];
    for (size_t i = best; i + 1 < count; ++i) {
      ranks[i] = ranks[i + 1];
      results[i] = results[i + 1];
    }
    if (best > 0) look_up(best - 1);
    if (best + 1 < count) look_up(best);
  }
  out->insert(out->end(), ids, ids + count);
}

void Bpe::EncodeLong(const int32_t* ids, size_t count, BpeScratch* scratch,
                     std::vector<int32_t>* out) const {
  auto& symbols = scratch->symbols;
  auto& heap = scratch->heap;
  symbols.resize(count);
  heap.clear();
  for (size_t i = 0; i < count; ++i) {
    symbols[i] = {ids[i], static_cast<int32_t>(i) - 1,
                  i + 1 < count ? static_cast<int32_t>(i + 1) : -1};
  }
  // A merge keeps the left symbol's place and marks the right one dead with id -1.
  const auto find = [&](size_t at) -> const Result* {
    if (symbols[at].id < 0 || symbols[at].next < 0) return nullptr;
    return FindMerge(symbols[at].id, symbols[symbols[at].next].id);
  };
  for (size_t i = 0; i + 1 < count; ++i) {
    if (const Result* merge = find(i)) heap.push_back(static_cast<uint64_t>(merge->rank) << 32 | i);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  const auto push = [&](size_t at) {
    if (const Result* merge = find(at)) {
      heap.push_back(static_cast<uint64_t>(merge->rank) << 32 | at);
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint64_t top = heap.back();
    heap.pop_back();
    const size_t at = top & 0xFFFFFFFF;
    const Result* merge = find(at);
    if (merge == nullptr || merge->rank != top >> 32) continue;  // the pair has changed since
    const int32_t right = symbols[at].next;
    symbols[at].id = merge->id;
    symbols[at].next = symbols[right].next;
    if (symbols[right].next >= 0) symbols[symbols[right].next].previous = static_cast<int32_t>(at);
    symbols[right].id = -1;
    if (symbols[at].previous >= 0) push(symbols[at].previous);
    push(at);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].next) out->push_back(symbols[i].id);
  // A word of megabytes must not keep its buffers for the rest of the process.
  constexpr size_t kKeep = 1 << 16;
  if (symbols.capacity() > kKeep) std::vector<BpeScratch::Symbol>().swap(symbols);
  if (heap.capacity() > kKeep) std::vector<uint64_t>().swap(heap);
}

}  // namespace raison
