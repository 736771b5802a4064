// matmul of the CUDA back end on the emulated card, with the plain-loop cuBLAS of
// tests/backend/simt for the rows of prompts: the conformance kit, which rows go where, and what
// happens without the library.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/backend/conformance/conformance.h"
#include "core/backend/conformance/data.h"
#include "core/backend/conformance/oracle.h"
#include "core/backend/conformance/tolerances.h"
#include "core/backend/cuda/cublas.h"
#include "core/backend/cuda/cuda_backend.h"
#include "core/backend/reference/reference_backend.h"
#include "core/model/end_to_end/random_checkpoint.h"
#include "core/model/model.h"
#include "core/model/transformer.h"
#include "tests/backend/emulated_card.h"
#include "tests/backend/simt/simt.h"

namespace raison {
namespace {

// AddressSanitizer makes every change of fibers slow. A prime: no pattern of the lists is left out.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kEvery = 11;
#else
constexpr size_t kEvery = 1;
#endif

// The machine's own cuBLAS would look for a real card.
const int kNoCublas = setenv("RAISON_CUBLAS", "off", 1);

struct CublasNumbers {
  int handles, products, odd;
  bool starts, fails;
};

// A card with one weight (outputs, width), and a step's rows for it.
class Card {
 public:
  static constexpr int64_t kRows = 300, kOutputs = 24, kWidth = 64;

  explicit Card(const simt::Card& card = {}, uint32_t dtype = RSN_DTYPE_F16) {
    simt::Install(card);
    rsn_backend_host host{};
    host.struct_size = sizeof host;
    host.context = this;
    host.log = [](void* context, uint32_t, const char* text) {
      static_cast<Card*>(context)->log += std::string(text) + "\n";
    };
    table.struct_size = sizeof table;
    EXPECT_EQ(OpenCudaBackend(&host, &table), 0);
    EXPECT_EQ(table.device_open(&host, 0, &device), 0) << table.last_error();
    EXPECT_EQ(table.queue_new(device, &queue), 0) << table.last_error();
    conformance::Random random(7);
    const std::vector<std::byte> bytes = conformance::WeightBytes(
        dtype, kOutputs * kWidth, conformance::WeightPattern::kRandom, random);
    weights = conformance::Dequantize(dtype, bytes, kOutputs * kWidth);
    weight = conformance::Dense(nullptr, 0, dtype, {kOutputs, kWidth});
    uint32_t referenced = 0;
    EXPECT_EQ(table.weight(device, &weight, bytes.data(), bytes.size(), 0, &referenced), 0);
    in = conformance::Dense(nullptr, 0, RSN_DTYPE_F32, {kRows, kWidth});
    out = conformance::Dense(nullptr, 0, RSN_DTYPE_F32, {kRows, kOutputs});
    EXPECT_EQ(table.buffer_new(device, kRows * kWidth * 4, &in.buffer), 0);
    EXPECT_EQ(table.buffer_new(device, kRows * kOutputs * 4, &out.buffer), 0);
    x = random.Normals(kRows * kWidth);
    EXPECT_EQ(table.upload(queue, in.buffer, 0, x.data(), x.size() * 4), 0);
  }
  ~Card() {
    for (rsn_buffer* b : {weight.buffer, in.buffer, out.buffer}) table.buffer_free(b);
    table.queue_free(queue);
    table.device_close(device);
    EXPECT_EQ(simt::InUse(), simt::Usage{});
  }

  int32_t Multiply(const std::vector<rsn_chunk>& chunks) {
    rsn_matmul a{};
    a.struct_size = sizeof a;
    a.terms = 1;
    a.in = in;
    a.term[0].weight = weight;
    a.term[0].out = out;
    a.chunk = chunks.data();
    a.chunks = static_cast<uint32_t>(chunks.size());
    return table.matmul(queue, &a);
  }
  std::vector<float> Result(const std::vector<rsn_chunk>& chunks) {
    EXPECT_EQ(Multiply(chunks), 0) << table.last_error();
    std::vector<float> y(kRows * kOutputs);
    EXPECT_EQ(table.download(queue, y.data(), out.buffer, 0, y.size() * 4), 0);
    EXPECT_EQ(table.synchronize(queue), 0) << table.last_error();
    return y;
  }
  std::string error() const { return table.last_error(); }

  rsn_backend table{};
  rsn_device_state* device = nullptr;
  rsn_queue* queue = nullptr;
  rsn_tensor weight, in, out;
  std::vector<float> weights, x;
  std::string log;
};

// The plain-loop cuBLAS, and any weight large enough for it.
class CudaDenseTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("RAISON_CUBLAS", SIMT_CUBLAS, 1);
    setenv("RAISON_CUBLAS_LEAST", "0", 1);
    file_ = dlopen(SIMT_CUBLAS, RTLD_NOW | RTLD_LOCAL);
    ASSERT_NE(file_, nullptr) << dlerror();
    cublas_ = static_cast<CublasNumbers*>(dlsym(file_, "cublas_double"));
    ASSERT_NE(cublas_, nullptr);
    *cublas_ = {};
    cublas_->starts = true;
  }
  void TearDown() override {
    setenv("RAISON_CUBLAS", "off", 1);
    for (const char* name : {"LEAST", "PIECES", "MERGE"}) {
      unsetenv((std::string("RAISON_CUBLAS_") + name).c_str());
    }
    EXPECT_EQ(cublas_->handles, 0);
    dlclose(file_);
    simt::Install({});
  }
  void* file_ = nullptr;
  CublasNumbers* cublas_ = nullptr;
};

TEST_F(CudaDenseTest, MatmulIsWithinTheTable) {
  ExpectGreenOnTheEmulatedCard({.only_op = "matmul", .every = kEvery});
  EXPECT_GT(cublas_->products, 0);
  EXPECT_EQ(cublas_->odd, 0);  // of 512 rows each, with a workspace, sums in f32
}

TEST_F(CudaDenseTest, TermsOfOneMatmulShareMemoryInTwoPieces) {
  setenv("RAISON_CUBLAS_PIECES", "2", 1);
  ExpectGreenOnTheEmulatedCard({.only_case = "matmul/chunks/q, k, v"});
  EXPECT_EQ(cublas_->odd, 0);
}

TEST_F(CudaDenseTest, OnlyLongPromptsOfLargeWeightsAndEachByItself) {
  {
    Card card;
    card.Result({});
    card.Result({{0, 127}, {130, 100}});
    EXPECT_EQ(cublas_->products, 0);
    EXPECT_NE(card.log.find("by cuBLAS 13.0.0, " SIMT_CUBLAS), std::string::npos) << card.log;
    const std::vector<float> both = card.Result({{1, 128}, {129, 170}});
    EXPECT_EQ(cublas_->products, 2);
    // A prompt has its bits whatever runs beside it.
    const std::vector<float> second = card.Result({{129, 170}});
    EXPECT_EQ(cublas_->products, 3);
    const auto same = [&](const std::vector<float>& a, const std::vector<float>& b, int64_t from,
                          int64_t to) {
      return std::memcmp(&a[static_cast<size_t>(from * Card::kOutputs)],
                         &b[static_cast<size_t>(from * Card::kOutputs)],
                         static_cast<size_t>((to - from) * Card::kOutputs) * 4) == 0;
    };
    EXPECT_TRUE(same(both, second, 129, 299));
    EXPECT_TRUE(same(both, second, 299, 300));
    EXPECT_TRUE(same(both, second, 0, 1));
    EXPECT_FALSE(same(both, second, 1, 129));  // now by the own kernels: other roundings
    EXPECT_EQ(card.Multiply({{5, 0}}), -10);
    EXPECT_EQ(card.Multiply({{5, 128}, {100, 20}}), -10);
    EXPECT_EQ(card.Multiply({{200, 101}}), -10);
    EXPECT_NE(card.error().find("the end of a chunk is 301"), std::string::npos) << card.error();
    EXPECT_EQ(card.Multiply({{4294967295u, 4294967295u}}), -10);
  }
  setenv("RAISON_CUBLAS_LEAST", "1537", 1);  // the weight has 1536
  Card card;
  card.Result({{0, 300}});
  EXPECT_EQ(cublas_->products, 3);
}

TEST_F(CudaDenseTest, OptionsThatAreOff) {
  std::vector<float> half;
  {
    Card card;
    half = card.Result({{0, 150}, {150, 150}});
    EXPECT_EQ(cublas_->products, 2);
  }
  {
    setenv("RAISON_CUBLAS_MERGE", "1", 1);
    Card card;
    EXPECT_EQ(card.Result({{0, 150}, {150, 150}}), half);  // as the plain loops have it
    EXPECT_EQ(cublas_->products, 3);
  }
  unsetenv("RAISON_CUBLAS_MERGE");
  setenv("RAISON_CUBLAS_PIECES", "2", 1);
  {
    Card card;
    const std::vector<float> exact = card.Result({{0, 300}});
    EXPECT_EQ(cublas_->products, 5);
    double most = 0, largest = 0;
    for (size_t i = 0; i < half.size(); ++i) {
      most = std::max<double>(most, std::fabs(half[i] - exact[i]));
      largest = std::max<double>(largest, std::fabs(exact[i]));
    }
    EXPECT_GT(most, 0);
    EXPECT_LT(most, largest * 0x1p-11);
  }
  for (const char* name : {"RAISON_CUBLAS_PIECES", "RAISON_CUBLAS_LEAST"}) {
    setenv(name, "many", 1);
    rsn_backend table{};
    table.struct_size = sizeof table;
    ASSERT_EQ(OpenCudaBackend(nullptr, &table), 0);
    rsn_device_state* device = nullptr;
    EXPECT_EQ(table.device_open(nullptr, 0, &device), -10);
    EXPECT_NE(std::string(table.last_error()).find(absl::StrCat(name, " is \"many\"")),
              std::string::npos);
    unsetenv(name);
  }
}

// What rounding to f16 loses comes back with a second piece.
TEST_F(CudaDenseTest, TwoPiecesAreExact) {
  const auto error = [&](uint32_t dtype, const char* pieces, int products) {
    setenv("RAISON_CUBLAS_PIECES", pieces, 1);
    cublas_->products = 0;
    Card card({}, dtype);
    const std::vector<float> y = card.Result({{0, Card::kRows}});
    EXPECT_EQ(cublas_->products, products);
    const std::vector<conformance::Definition> exact =
        conformance::ProductDefinitions({.rows = Card::kRows,
                                         .batch = 1,
                                         .out = Card::kOutputs,
                                         .in = Card::kWidth,
                                         .weight = card.weights.data(),
                                         .x = card.x.data()});
    double most = 0;
    for (size_t i = 0; i < y.size(); ++i) {
      most = std::max(most, std::fabs(y[i] - exact[0].want[i]) / exact[0].magnitude[i]);
    }
    return most;
  };
  const double allowed = conformance::FindTolerance("matmul/chunk")->allowed;
  for (const auto& [dtype, products] :
       {std::pair{RSN_DTYPE_Q8_0, 3}, std::pair{RSN_DTYPE_Q4_1, 3}, std::pair{RSN_DTYPE_F16, 2},
        std::pair{RSN_DTYPE_BF16, 2}}) {
    EXPECT_GT(error(dtype, "1", 1), 2 * allowed) << dtype;
    EXPECT_LT(error(dtype, "2", products), allowed) << dtype;
  }
}

// A library that is missing, does not start or gets no memory is a sentence; one that refuses, an
// error.
TEST_F(CudaDenseTest, WithoutTheLibraryTheOwnKernelsGoOn) {
  setenv("RAISON_CUBLAS", "off", 1);
  std::vector<float> own;
  {
    Card card;
    own = card.Result({{0, 300}});
    EXPECT_EQ(card.log, "");
  }
  setenv("RAISON_CUBLAS", "/no/such/libcublas.so.13", 1);
  {
    Card card;
    EXPECT_EQ(card.Result({{0, 300}}), own);
    EXPECT_NE(card.log.find("/no/such/libcublas.so.13"), std::string::npos) << card.log;
    EXPECT_NE(card.log.find("own kernels multiply prompts"), std::string::npos) << card.log;
    const std::string once = card.log;
    card.Result({{0, 300}});
    EXPECT_EQ(card.log, once);
  }
  setenv("RAISON_CUBLAS", SIMT_NVML, 1);  // another library
  {
    Card card;
    EXPECT_EQ(card.Result({{0, 300}}), own);
    EXPECT_NE(card.log.find("has no function cublasCreate_v2"), std::string::npos) << card.log;
  }
  setenv("RAISON_CUBLAS", SIMT_CUBLAS, 1);
  cublas_->starts = false;
  {
    Card card;
    EXPECT_EQ(card.Result({{0, 300}}), own);
    EXPECT_NE(card.log.find("does not start: its status is 1"), std::string::npos) << card.log;
  }
  cublas_->starts = true;
  {
    Card card({.memory = 16 << 20});  // half of the workspace
    EXPECT_EQ(card.Result({{0, 300}}), own);
    EXPECT_NE(card.log.find("the workspace of cuBLAS"), std::string::npos) << card.log;
  }
  EXPECT_EQ(cublas_->products, 0);
  cublas_->fails = true;
  Card card;
  EXPECT_EQ(card.Multiply({{0, 300}}), -60);
  EXPECT_NE(
      card.error().find("matmul: cuBLAS refuses a product of 512 rows, 24 outputs and width 64"),
      std::string::npos)
      << card.error();
  EXPECT_NE(card.error().find("RAISON_CUBLAS=off"), std::string::npos);
  EXPECT_EQ(card.table.synchronize(card.queue), 0) << card.error();
  cublas_->fails = false;
  EXPECT_EQ(card.Result({}), own);
}

// cuBLAS waits for the whole card when it ends, which would break a recording that another thread makes.
TEST_F(CudaDenseTest, TheLibraryEndsBetweenRecordings) {
  Card card;
  card.Result({{0, 300}});
  EXPECT_EQ(cublas_->handles, 1);
  rsn_queue* other = nullptr;
  ASSERT_EQ(card.table.queue_new(card.device, &other), 0);
  ASSERT_EQ(card.table.record_begin(other), 0);
  std::thread ends([&] { card.table.queue_free(card.queue); });
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(cublas_->handles, 1);
  rsn_recording* recording = nullptr;
  EXPECT_EQ(card.table.record_end(other, &recording), 0);
  ends.join();
  EXPECT_EQ(cublas_->handles, 0);
  card.table.recording_free(recording);
  card.queue = other;
}

#if !defined(__SANITIZE_ADDRESS__)  // some minutes there
// The transformer names the prompts' rows: two prompts and a single token in one step, with and
// without cuBLAS; and with `exact`, which knows one way only.
TEST_F(CudaDenseTest, AModelsPromptsGoToTheLibrary) {
  const std::string gguf =
      conformance::MakeRandomCheckpoint(conformance::RandomKind::kLlama, DType::kQ8_0);
  std::vector<int32_t> tokens(128 + 130 + 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<int32_t>(i * 37 % conformance::kRandomVocabulary);
  }
  const auto logits = [&](bool exact) {
    simt::Install({});
    std::vector<std::vector<float>> rows(3);
    const auto run = [&]() -> absl::Status {
      ModelOptions options;
      RSN_ASSIGN_OR_RETURN(options.opened_device, Device::Open(EmulatedCard(), {}));
      options.kv_bytes = uint64_t{8} << 20;
      options.exact = exact;
      RSN_ASSIGN_OR_RETURN(
          const std::shared_ptr<Model> model,
          Model::LoadMemory({reinterpret_cast<const std::byte*>(gguf.data()), gguf.size()},
                            options));
      RSN_ASSIGN_OR_RETURN(const std::unique_ptr<KvCache> cache, model->NewKvCache());
      RSN_ASSIGN_OR_RETURN(const std::unique_ptr<Transformer> transformer,
                           model->NewTransformer(cache.get()));
      std::vector<PageTable> pages;
      for (int s = 0; s < 3; ++s) pages.push_back(cache->NewTable());
      Step step;
      size_t at = 0;
      for (const size_t count : {size_t{128}, size_t{1}, size_t{130}}) {
        PageTable& table = pages[step.sequences.size()];
        RSN_RETURN_IF_ERROR(table.Extend(static_cast<uint32_t>(count), &step.copies));
        step.sequences.push_back(
            {.tokens = absl::MakeSpan(&tokens[at], count), .pages = &table, .logit_rows = 1});
        at += count;
      }
      std::vector<LogitRow> ignored;
      RSN_RETURN_IF_ERROR(transformer->Run(step, /*stop=*/nullptr, &ignored));
      for (uint32_t r = 0; r < 3; ++r) RSN_RETURN_IF_ERROR(transformer->FetchLogits(r, &rows[r]));
      return absl::OkStatus();
    };
    const absl::Status status = run();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(simt::InUse(), simt::Usage{});
    return rows;
  };
  const std::vector<std::vector<float>> by_library = logits(false);
  EXPECT_GT(cublas_->products, 0);
  EXPECT_EQ(cublas_->odd, 0);
  const int before = cublas_->products;
  const std::vector<std::vector<float>> exact = logits(true);
  EXPECT_EQ(cublas_->products, before);
  setenv("RAISON_CUBLAS", "off", 1);
  const std::vector<std::vector<float>> own = logits(false);
  EXPECT_EQ(exact, own);
  EXPECT_EQ(by_library[1], own[1]);  // a single token is nobody's chunk
  for (const size_t r : {size_t{0}, size_t{2}}) {
    EXPECT_NE(by_library[r], own[r]);
    double most = 0, sum = 0;
    for (size_t i = 0; i < own[r].size(); ++i) {
      most = std::max<double>(most, std::fabs(by_library[r][i] - own[r][i]));
      sum += std::fabs(own[r][i]);
    }
    // Activations in int8 on one side only.
    EXPECT_LT(most, 0.2 * sum / static_cast<double>(own[r].size())) << "row " << r;
  }
}
#endif

// In a toolkit's folder and among Python's packages, with what it needs beside it.
TEST_F(CudaDenseTest, TheLibraryIsSoughtWhereItIs) {
  namespace fs = std::filesystem;
  const fs::path root = fs::path(testing::TempDir()) / "raison-cublas";
  fs::remove_all(root);
  const fs::path toolkit = root / "toolkit", packages = root / "venv/lib/python3.12/site-packages";
  fs::create_directories(toolkit / "lib64");
  fs::create_directories(packages / "nvidia/cu13/lib");
  fs::create_symlink(SIMT_CUBLAS, toolkit / "lib64/libcublas.so.13");
  unsetenv("RAISON_CUBLAS");
  setenv("CUDA_HOME", toolkit.c_str(), 1);
  setenv("VIRTUAL_ENV", (root / "venv").c_str(), 1);
  const std::vector<cuda::Library::Candidate> all = cuda::Cublas::Candidates();
  const auto at = [&](const fs::path& file) {
    return std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.file == file; }) -
           all.begin();
  };
  const auto python = at(packages / "nvidia/cu13/lib/libcublas.so.13");
  ASSERT_LT(python, static_cast<long>(all.size()));
  EXPECT_EQ(all[static_cast<size_t>(python)].loads_first,
            packages / "nvidia/cu13/lib/libcublasLt.so.13");
  EXPECT_LT(at("libcublas.so.13"), python);
  EXPECT_LT(at(toolkit / "lib64/libcublas.so.13"), at("libcublas.so.13"));
  {
    Card card;
    card.Result({{0, 300}});
    EXPECT_NE(card.log.find((toolkit / "lib64/libcublas.so.13").string()), std::string::npos)
        << card.log;
    EXPECT_EQ(cublas_->products, 1);
  }
  unsetenv("CUDA_HOME");
  unsetenv("VIRTUAL_ENV");
  fs::remove_all(root);
}

}  // namespace
}  // namespace raison
