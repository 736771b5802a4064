// The promises of the table that belong to no operation: memory, copies, errors, recording, structs
// of another size.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>

#include "core/backend/conformance/cases.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/guarded_bytes.h"

namespace raison::conformance {
namespace {

absl::Status Broken(std::string_view what) { return absl::InternalError(what); }

// A buffer of the subject's with some bytes in it.
class Holding {
 public:
  static absl::StatusOr<Holding> Make(Bench& bench, uint64_t bytes) {
    rsn_buffer* buffer = nullptr;
    RSN_RETURN_IF_ERROR(
        bench.ToStatus(bench.table().buffer_new(bench.device(), bytes, &buffer), "buffer_new"));
    return Holding(bench, buffer);
  }
  Holding(Holding&& other) noexcept
      : bench_(other.bench_), buffer_(std::exchange(other.buffer_, nullptr)) {}
  Holding& operator=(Holding&&) = delete;
  ~Holding() {
    if (buffer_ != nullptr) bench_.table().buffer_free(buffer_);
  }

  rsn_buffer* get() const { return buffer_; }
  template <typename T>
  absl::Status Upload(const std::vector<T>& from, uint64_t offset = 0) {
    return bench_.ToStatus(bench_.table().upload(bench_.queue(), buffer_, offset, from.data(),
                                                 from.size() * sizeof(T)),
                           "upload");
  }
  template <typename T>
  absl::Status Download(std::vector<T>& to, uint64_t offset = 0) {
    return bench_.ToStatus(
        bench_.table().download(bench_.queue(), to.data(), buffer_, offset, to.size() * sizeof(T)),
        "download");
  }

 private:
  Holding(Bench& bench, rsn_buffer* buffer) : bench_(bench), buffer_(buffer) {}
  Bench& bench_;
  rsn_buffer* buffer_;
};

absl::Status Synchronize(Bench& bench) {
  return bench.ToStatus(bench.table().synchronize(bench.queue()), "synchronize");
}

absl::Status TableOfTheCallersSize(Bench& bench) {
  constexpr size_t kKnown = offsetof(rsn_backend, device_query);
  rsn_backend older{};
  std::memset(reinterpret_cast<char*>(&older) + kKnown, 0xa5, sizeof older - kKnown);
  const rsn_backend before = older;
  older.struct_size = kKnown;
  RSN_RETURN_IF_ERROR(bench.ToStatus(bench.FillTable(older), "rsn_backend_open"));
  if (std::memcmp(reinterpret_cast<const char*>(&older) + kKnown,
                  reinterpret_cast<const char*>(&before) + kKnown, sizeof older - kKnown) != 0) {
    return Broken("rsn_backend_open wrote beyond the caller's struct_size");
  }
  return absl::OkStatus();
}

absl::Status CheckInfo(const char* what, const rsn_device_info& info) {
  if (info.kind > 2) return Broken(absl::StrCat(what, ": kind is ", info.kind));
  const size_t length = strnlen(info.name, sizeof info.name);
  if (length == 0) return Broken(absl::StrCat(what, ": the name is empty"));
  for (const auto& [text, size] :
       {std::pair(info.name, sizeof info.name),
        std::pair(info.description, sizeof info.description),
        std::pair(info.driver, sizeof info.driver), std::pair(info.problem, sizeof info.problem)}) {
    if (strnlen(text, size) == size) return Broken(absl::StrCat(what, ": a text does not end"));
  }
  return absl::OkStatus();
}

absl::Status DeviceInfo(Bench& bench) {
  const rsn_backend& t = bench.table();
  rsn_device_info info{};
  info.struct_size = sizeof info;
  RSN_RETURN_IF_ERROR(bench.ToStatus(t.device_info(bench.device(), &info), "device_info"));
  RSN_RETURN_IF_ERROR(CheckInfo("device_info", info));
  if (t.device_query != nullptr) {
    rsn_device_info listed{};
    listed.struct_size = sizeof listed;
    RSN_RETURN_IF_ERROR(
        bench.ToStatus(t.device_query(bench.device_index(), &listed), "device_query"));
    RSN_RETURN_IF_ERROR(CheckInfo("device_query", listed));
    if (std::strcmp(listed.name, info.name) != 0 || listed.kind != info.kind) {
      return Broken("device_query and device_info tell of two devices");
    }
  }
  rsn_device_info older{};
  older.struct_size = offsetof(rsn_device_info, largest_buffer);
  older.largest_buffer = 0xa5a5;
  RSN_RETURN_IF_ERROR(bench.ToStatus(t.device_info(bench.device(), &older), "device_info"));
  if (older.largest_buffer != 0xa5a5) {
    return Broken("device_info wrote beyond the caller's struct_size");
  }
  return absl::OkStatus();
}

// Also where another buffer lay before.
absl::Status BuffersAreZeroed(Bench& bench) {
  for (const size_t size : {size_t{64}, size_t{4100}, size_t{1} << 20}) {
    for (int again = 0; again < 2; ++again) {
      RSN_ASSIGN_OR_RETURN(Holding buffer, Holding::Make(bench, size));
      std::vector<uint8_t> got(size, 0x5a);
      RSN_RETURN_IF_ERROR(buffer.Download(got));
      RSN_RETURN_IF_ERROR(Synchronize(bench));
      for (size_t i = 0; i < size; ++i) {
        if (got[i] != 0) {
          return Broken(absl::StrCat("a new buffer of ", size, " bytes is not zeroed: byte ", i,
                                     " is ", got[i]));
        }
      }
      RSN_RETURN_IF_ERROR(buffer.Upload(std::vector<uint8_t>(size, 0xcd)));
      RSN_RETURN_IF_ERROR(Synchronize(bench));
    }
  }
  return absl::OkStatus();
}

absl::Status CopiesAtAnOffset(Bench& bench) {
  std::vector<int32_t> want(64), got(64), part(7);
  for (size_t i = 0; i < want.size(); ++i) want[i] = static_cast<int32_t>(i);
  RSN_ASSIGN_OR_RETURN(Holding buffer, Holding::Make(bench, 256));
  RSN_RETURN_IF_ERROR(buffer.Upload(want));
  RSN_RETURN_IF_ERROR(buffer.Upload(std::vector<int32_t>{-1, -2, -3}, 20));
  RSN_RETURN_IF_ERROR(buffer.Download(got));
  RSN_RETURN_IF_ERROR(buffer.Download(part, 16));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  for (size_t i = 0; i < 3; ++i) want[5 + i] = -1 - static_cast<int32_t>(i);
  if (got != want) return Broken("an upload at an offset wrote other bytes");
  if (!std::equal(part.begin(), part.end(), want.begin() + 4)) {
    return Broken("a download at an offset brought other bytes");
  }
  return absl::OkStatus();
}

absl::Status CopiesAreInOrder(Bench& bench) {
  const std::vector<int32_t> first(16, 1), second(16, 2);
  std::vector<int32_t> got_first(16), got_second(16);
  RSN_ASSIGN_OR_RETURN(Holding buffer, Holding::Make(bench, 64));
  RSN_RETURN_IF_ERROR(buffer.Upload(first));
  RSN_RETURN_IF_ERROR(buffer.Download(got_first));
  RSN_RETURN_IF_ERROR(buffer.Upload(second));
  RSN_RETURN_IF_ERROR(buffer.Download(got_second));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  if (got_first != first) return Broken("a download brought what was uploaded after it");
  if (got_second != second) return Broken("a download brought what was there before an upload");
  return absl::OkStatus();
}

// A program that was built with another header of this version knows more or less of a struct.
absl::Status ArgumentsOfAnotherSize(Bench& bench) {
  const std::vector<float> one(8, 1.0f);
  RSN_ASSIGN_OR_RETURN(Holding in, Holding::Make(bench, 32));
  RSN_ASSIGN_OR_RETURN(Holding weight, Holding::Make(bench, 32));
  RSN_ASSIGN_OR_RETURN(Holding out, Holding::Make(bench, 32));
  RSN_RETURN_IF_ERROR(in.Upload(one));
  RSN_RETURN_IF_ERROR(weight.Upload(one));

  struct {
    rsn_rms_norm known;
    uint64_t later[4];
  } newer{};
  std::fill(std::begin(newer.later), std::end(newer.later), ~uint64_t{0});
  newer.known.struct_size = sizeof newer;
  newer.known.in = Dense(in.get(), 0, RSN_DTYPE_F32, {1, 8});
  newer.known.weight = Dense(weight.get(), 0, RSN_DTYPE_F32, {8});
  newer.known.out = Dense(out.get(), 0, RSN_DTYPE_F32, {1, 8});
  std::vector<float> got(8);
  RSN_RETURN_IF_ERROR(bench.ToStatus(bench.table().rms_norm(bench.queue(), &newer.known),
                                     "an operation with a longer struct"));
  RSN_RETURN_IF_ERROR(out.Download(got));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  if (got != one) return Broken("a longer struct changes an operation's result");

  const rsn_chunk beyond = {.first = 5, .count = 5};
  rsn_matmul older{};
  older.struct_size = offsetof(rsn_matmul, chunk);
  older.terms = 1;
  older.in = newer.known.in;
  older.term[0].weight = Dense(weight.get(), 0, RSN_DTYPE_F32, {1, 8});
  older.term[0].out = Dense(out.get(), 0, RSN_DTYPE_F32, {1, 1});
  older.chunk = &beyond;
  older.chunks = 1;
  got.resize(1);
  RSN_RETURN_IF_ERROR(bench.ToStatus(bench.table().matmul(bench.queue(), &older),
                                     "an operation with a shorter struct"));
  RSN_RETURN_IF_ERROR(out.Download(got));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  if (got[0] != 8) return Broken("a shorter struct changes an operation's result");
  return absl::OkStatus();
}

// A weight of 64 x 256, in blocks where the back end takes them.
struct SmallWeight {
  explicit SmallWeight(Bench& b) : bench(b) {}
  ~SmallWeight() {
    if (description.buffer != nullptr) bench.table().buffer_free(description.buffer);
  }
  int32_t Make(uint32_t dtype, uint32_t flags) {
    Fill(dtype);
    return Place(dtype, flags);
  }
  // Of the bytes that are there.
  int32_t Place(uint32_t dtype, uint32_t flags) {
    description = Dense(nullptr, 0, dtype, {64, 256});
    const int32_t code = bench.table().weight(bench.device(), &description, bytes.data(),
                                              bytes.size(), flags, &referenced);
    if (code != 0) description.buffer = nullptr;
    return code;
  }
  // Of the first `size` bytes, behind which nothing can be read, and which are gone afterwards.
  int32_t MakeRepeated(uint32_t dtype, size_t size, uint32_t flags) {
    Fill(dtype);
    description = Dense(nullptr, 0, dtype, {64, 256});
    const GuardedBytes first({bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)});
    const int32_t code =
        bench.table().weight_repeated(bench.device(), &description, first.data(), size, flags);
    if (code != 0) description.buffer = nullptr;
    return code;
  }
  void Fill(uint32_t dtype) {
    Random random(1);
    bytes = WeightBytes(dtype, 64 * 256, WeightPattern::kRandom, random);
  }
  Bench& bench;
  std::vector<std::byte> bytes;
  rsn_tensor description{};
  uint32_t referenced = 0;
};

absl::Status WeightsKeepToTheirFlags(Bench& bench) {
  for (const uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_Q8_0}) {
    SmallWeight weight(bench);
    const absl::Status made = bench.ToStatus(weight.Make(dtype, 0), "weight");
    if (!made.ok() && dtype != RSN_DTYPE_F32) continue;
    RSN_RETURN_IF_ERROR(made);
    if (weight.referenced != 0) return Broken("weight uses the host's bytes, which it may not");
    if (weight.description.layout != 0) return Broken("weight repacks, which it may not");
  }
  return absl::OkStatus();
}

absl::Status WeightsTellWhatTheyRead(Bench& bench) {
  for (const uint32_t flags : {0u, uint32_t{RSN_WEIGHT_MAY_REPACK}}) {
    for (const uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_Q8_0}) {
      SmallWeight kept(bench), given_up(bench);
      const int32_t made = bench.HearReads(0, [&] { return kept.Make(dtype, flags); });
      if (made != 0 && dtype != RSN_DTYPE_F32) continue;
      RSN_RETURN_IF_ERROR(bench.ToStatus(made, "weight"));
      const std::byte* next = kept.bytes.data();
      for (const Bench::Read& read : bench.reads()) {
        if (read.thread != std::this_thread::get_id()) {
          return Broken("weight_read was called on another thread");
        }
        if (read.from != next) return Broken("weight_read was told of bytes out of their order");
        next += read.bytes;
        if (next > kept.bytes.data() + kept.bytes.size()) {
          return Broken("weight_read was told of more bytes than there are");
        }
      }
      if (bench.reads().empty()) continue;
      constexpr int32_t kCancelled = -50;
      const int32_t code = bench.HearReads(kCancelled, [&] { return given_up.Make(dtype, flags); });
      if (code != kCancelled) {
        return Broken(
            absl::StrCat("weight returned ", code, " where weight_read said ", kCancelled));
      }
    }
  }
  return absl::OkStatus();
}

// The product of a weight of 64 x 256 with one row.
absl::StatusOr<std::vector<float>> Product(Bench& bench, const rsn_tensor& weight) {
  std::vector<float> row(256), got(64);
  for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i % 7) - 3;
  RSN_ASSIGN_OR_RETURN(Holding in, Holding::Make(bench, row.size() * sizeof(float)));
  RSN_ASSIGN_OR_RETURN(Holding out, Holding::Make(bench, got.size() * sizeof(float)));
  RSN_RETURN_IF_ERROR(in.Upload(row));
  rsn_matmul a{};
  a.struct_size = sizeof a;
  a.terms = 1;
  a.in = Dense(in.get(), 0, RSN_DTYPE_F32, {1, 256});
  a.term[0].weight = weight;
  a.term[0].out = Dense(out.get(), 0, RSN_DTYPE_F32, {1, 64});
  RSN_RETURN_IF_ERROR(bench.ToStatus(bench.table().matmul(bench.queue(), &a), "matmul"));
  RSN_RETURN_IF_ERROR(out.Download(got));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  return got;
}

// Against `weight` with the same bytes written out.
absl::Status WeightsThatRepeat(Bench& bench) {
  if (bench.table().weight_repeated == nullptr) return absl::OkStatus();
  for (const uint32_t flags : {0u, uint32_t{RSN_WEIGHT_MAY_REPACK}}) {
    for (const uint32_t dtype : {RSN_DTYPE_F32, RSN_DTYPE_Q8_0}) {
      const size_t block = Traits(static_cast<DType>(dtype)).bytes;
      for (const size_t blocks : {size_t{1}, size_t{100}, size_t{300}}) {
        SmallWeight repeated(bench), whole(bench);
        const absl::Status made =
            bench.ToStatus(repeated.MakeRepeated(dtype, blocks * block, flags), "weight_repeated");
        if (!made.ok() && dtype != RSN_DTYPE_F32) break;
        RSN_RETURN_IF_ERROR(made);
        whole.bytes = repeated.bytes;
        for (size_t i = blocks * block; i < whole.bytes.size(); ++i) {
          whole.bytes[i] = whole.bytes[i - blocks * block];
        }
        RSN_RETURN_IF_ERROR(bench.ToStatus(whole.Place(dtype, flags), "weight"));
        RSN_ASSIGN_OR_RETURN(const std::vector<float> got, Product(bench, repeated.description));
        RSN_ASSIGN_OR_RETURN(const std::vector<float> want, Product(bench, whole.description));
        for (size_t i = 0; i < got.size(); ++i) {
          if (std::memcmp(&got[i], &want[i], sizeof(float)) != 0) {
            return Broken(absl::StrCat("weight_repeated of ", blocks,
                                       " blocks differs from weight in row ", i, ": ", got[i],
                                       ", not ", want[i]));
          }
        }
      }
      SmallWeight cut(bench);
      if (cut.MakeRepeated(dtype, block + 1, flags) == 0) {
        return Broken("weight_repeated takes a part of a block");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status ErrorsHaveASentenceOfTheirThread(Bench& bench) {
  SmallWeight weight(bench);
  weight.bytes.resize(64);
  weight.description = Dense(nullptr, 0, RSN_DTYPE_F32, {1, 16});
  weight.description.dtype = 9999;
  const int32_t code =
      bench.table().weight(bench.device(), &weight.description, weight.bytes.data(),
                           weight.bytes.size(), 0, &weight.referenced);
  if (code == 0) return Broken("weight takes an element type that does not exist");
  weight.description.buffer = nullptr;
  const char* here = bench.table().last_error();
  if (here == nullptr || *here == '\0') return Broken("a refused weight leaves no last_error");
  const std::string sentence = here;
  std::string elsewhere;
  bool null = false;
  std::thread([&] {
    const char* text = bench.table().last_error();
    null = text == nullptr;
    if (!null) elsewhere = text;
  }).join();
  if (null) return Broken("last_error is NULL on a thread without a failure");
  if (elsewhere == sentence) return Broken("last_error tells of another thread's failure");
  return absl::OkStatus();
}

// Four rows of which an operation sees three, and where it may copy them to.
struct Gathered {
  explicit Gathered(Bench& b, Holding f, Holding i, Holding t)
      : bench(b), from(std::move(f)), index(std::move(i)), to(std::move(t)) {}
  static absl::StatusOr<Gathered> Make(Bench& bench) {
    RSN_ASSIGN_OR_RETURN(Holding from, Holding::Make(bench, 64));
    RSN_ASSIGN_OR_RETURN(Holding index, Holding::Make(bench, 64));
    RSN_ASSIGN_OR_RETURN(Holding to, Holding::Make(bench, 64));
    RSN_RETURN_IF_ERROR(from.Upload(std::vector<float>{1, 1, 2, 2, 3, 3, kBeyond, kBeyond}));
    return Gathered(bench, std::move(from), std::move(index), std::move(to));
  }
  int32_t Enqueue(const std::vector<int32_t>& rows) {
    const absl::Status uploaded = index.Upload(rows);
    if (!uploaded.ok()) return -60;
    rsn_gather_rows a{};
    a.struct_size = sizeof a;
    a.in = Dense(from.get(), 0, RSN_DTYPE_F32, {3, 2});
    a.index = Dense(index.get(), 0, RSN_DTYPE_I32, {3});
    a.out = Dense(to.get(), 0, RSN_DTYPE_F32, {3, 2});
    return bench.table().gather_rows(bench.queue(), &a);
  }
  static constexpr float kBeyond = 77;
  Bench& bench;
  Holding from, index, to;
};

absl::Status AnErrorIsReportedOnce(Bench& bench) {
  RSN_ASSIGN_OR_RETURN(Gathered rows, Gathered::Make(bench));
  RSN_RETURN_IF_ERROR(Synchronize(bench));
  bool reported[2] = {};
  for (const bool more_follows : {false, true}) {
    std::vector<float> got(6);
    const int32_t enqueued = rows.Enqueue({0, 3, 1});
    // An error of an operation outlives what is enqueued after it.
    if (more_follows && enqueued == 0) rows.Enqueue({0, 1, 2});
    const int32_t first = bench.table().synchronize(bench.queue());
    const char* text = bench.table().last_error();
    reported[more_follows] = enqueued != 0 || first != 0;
    if (first != 0 && (text == nullptr || *text == '\0')) {
      return Broken("synchronize returns an error without a sentence");
    }
    const int32_t second = bench.table().synchronize(bench.queue());
    if (second != 0) {
      return Broken(absl::StrCat("synchronize returns ", second, " again: it clears no error"));
    }
    RSN_RETURN_IF_ERROR(rows.to.Download(got));
    RSN_RETURN_IF_ERROR(Synchronize(bench));
    if (std::find(got.begin(), got.end(), Gathered::kBeyond) != got.end()) {
      return Broken("an index out of range leads outside a view");
    }
    RSN_RETURN_IF_ERROR(bench.ToStatus(rows.Enqueue({2, 0, 1}), "gather_rows after an error"));
    RSN_RETURN_IF_ERROR(rows.to.Download(got));
    RSN_RETURN_IF_ERROR(Synchronize(bench));
    if (got != std::vector<float>{3, 3, 1, 1, 2, 2}) {
      return Broken("after an error the queue does not go on");
    }
  }
  if (reported[0] != reported[1]) return Broken("an error is lost when more is enqueued");
  return absl::OkStatus();
}

absl::Status NoCopyWhileRecording(Bench& bench) {
  if (!bench.CanRecord()) return absl::OkStatus();
  const rsn_backend& t = bench.table();
  RSN_ASSIGN_OR_RETURN(Holding buffer, Holding::Make(bench, 64));
  std::vector<int32_t> bytes(16, 7);
  RSN_RETURN_IF_ERROR(bench.ToStatus(t.record_begin(bench.queue()), "record_begin"));
  const bool upload = !buffer.Upload(bytes).ok();
  const bool download = !buffer.Download(bytes).ok();
  const bool synchronize = t.synchronize(bench.queue()) != 0;
  rsn_recording* recording = nullptr;
  RSN_RETURN_IF_ERROR(bench.ToStatus(t.record_end(bench.queue(), &recording), "record_end"));
  t.recording_free(recording);
  if (!upload) return Broken("upload is not refused while recording");
  if (!download) return Broken("download is not refused while recording");
  if (!synchronize) return Broken("synchronize is not refused while recording");
  return Synchronize(bench);
}

}  // namespace

void AddTableCases(std::vector<Case>& cases) {
  const std::pair<const char*, absl::Status (*)(Bench&)> rules[] = {
      {"the caller's size", TableOfTheCallersSize},
      {"device_info", DeviceInfo},
      {"new buffers are zeroed", BuffersAreZeroed},
      {"copies at an offset", CopiesAtAnOffset},
      {"copies are in order", CopiesAreInOrder},
      {"arguments of another size", ArgumentsOfAnotherSize},
      {"a weight's flags", WeightsKeepToTheirFlags},
      {"a weight's bytes", WeightsTellWhatTheyRead},
      {"weights that repeat", WeightsThatRepeat},
      {"an error's sentence", ErrorsHaveASentenceOfTheirThread},
      {"an error is reported once", AnErrorIsReportedOnce},
      {"no copy while recording", NoCopyWhileRecording},
  };
  for (const auto& [name, rule] : rules) {
    cases.push_back({.op = "table", .name = absl::StrCat("table/", name), .rule = rule});
  }
}

}  // namespace raison::conformance
