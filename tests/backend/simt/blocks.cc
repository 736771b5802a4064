// The threads of one block as fibers of one thread. A fiber runs until it waits for its warp or its
// block; the lanes of a warp advance together from wait to wait. Order (ascending or descending) is
// the caller's: code that lacks a barrier gives other results in the other order.
#include <memory>
#include <vector>

#include "tests/backend/simt/simt.h"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#if defined(__x86_64__)
// Saves what the calling convention keeps, changes the stack, and restores it from there. The
// system's swapcontext does two system calls per switch, which would be most of the time.
extern "C" void raison_simt_switch(void** save, void* load);
asm(R"(
.text
.p2align 4
.globl raison_simt_switch
.hidden raison_simt_switch
.type raison_simt_switch,@function
raison_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size raison_simt_switch, .-raison_simt_switch
)");
#endif

namespace simt {

Place g_place;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStack = 256 << 10;  // instrumented frames are larger
#else
constexpr size_t kStack = 64 << 10;
#endif

struct Fiber {
  Lane lane{};
  std::unique_ptr<char[]> stack;
#if defined(__x86_64__)
  void* sp = nullptr;
#else
  ucontext_t context;
#endif
  void* fake = nullptr;  // AddressSanitizer's shadow of the stack
};

struct Scheduler {
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Warp> warps;
  const std::function<void()>* body = nullptr;
  Fiber* current = nullptr;
#if defined(__x86_64__)
  void* sp = nullptr;
#else
  ucontext_t context;
#endif
  void* fake = nullptr;
  const void* bottom = nullptr;
  size_t size = 0;
};
Scheduler g_scheduler;

void ToScheduler() {
  Fiber* const f = g_scheduler.current;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&f->fake, g_scheduler.bottom, g_scheduler.size);
#endif
#if defined(__x86_64__)
  raison_simt_switch(&f->sp, g_scheduler.sp);
#else
  swapcontext(&f->context, &g_scheduler.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(f->fake, &g_scheduler.bottom, &g_scheduler.size);
#endif
}

void FiberMain() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &g_scheduler.bottom, &g_scheduler.size);
#endif
  for (;;) {
    (*g_scheduler.body)();
    g_scheduler.current->lane.waits = Wait::kDone;
    ToScheduler();
  }
}

std::unique_ptr<Fiber> NewFiber() {
  auto f = std::make_unique<Fiber>();
  f->stack.reset(new char[kStack]);
#if defined(__x86_64__)
  // As after a call of FiberMain: six saved registers, its address, no return address.
  auto top = (reinterpret_cast<uintptr_t>(f->stack.get()) + kStack) & ~uintptr_t{15};
  auto* words = reinterpret_cast<void**>(top);
  words[-1] = nullptr;
  words[-2] = reinterpret_cast<void*>(&FiberMain);
  for (int i = 3; i <= 8; ++i) words[-i] = nullptr;
  f->sp = words - 8;
#else
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack.get();
  f->context.uc_stack.ss_size = kStack;
  f->context.uc_link = nullptr;
  makecontext(&f->context, &FiberMain, 0);
#endif
  return f;
}

void Resume(Fiber& f) {
  g_scheduler.current = &f;
  g_place.lane = &f.lane;
  f.lane.waits = Wait::kNone;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&g_scheduler.fake, f.stack.get(), kStack);
#endif
#if defined(__x86_64__)
  raison_simt_switch(&g_scheduler.sp, f.sp);
#else
  swapcontext(&g_scheduler.context, &f.context);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(g_scheduler.fake, nullptr, nullptr);
#endif
}

const char* NameOf(Wait wait) {
  switch (wait) {
    case Wait::kNone: return "nothing";
    case Wait::kBlock: return "the block";
    case Wait::kWarp: return "the warp";
    case Wait::kShuffle: return "a shuffle";
    case Wait::kVote: return "a vote";
    case Wait::kDone: return "nothing: it has ended";
  }
  return "?";
}

// The first of [begin, end) that waits for something else than `begin` does.
bool AllAlike(size_t begin, size_t end, std::string& fault) {
  for (size_t i = begin + 1; i < end; ++i) {
    const Wait a = g_scheduler.fibers[begin]->lane.waits, b = g_scheduler.fibers[i]->lane.waits;
    if (a == b) continue;
    fault = "thread " + std::to_string(begin) + " waits for " + NameOf(a) + ", thread " +
            std::to_string(i) + " for " + NameOf(b);
    return false;
  }
  return true;
}

}  // namespace

void Stop(Wait wait) {
  g_place.lane->waits = wait;
  ToScheduler();
}

bool RunBlock(const std::function<void()>& thread, unsigned threads, bool backwards,
              std::string& fault) {
  Scheduler& s = g_scheduler;
  while (s.fibers.size() < threads) s.fibers.push_back(NewFiber());
  s.warps.resize((threads + 31) / 32);
  s.body = &thread;
  const dim3 size = g_place.block_size;
  for (unsigned i = 0; i < threads; ++i) {
    s.fibers[i]->lane = {.thread = {i % size.x, i / size.x % size.y, i / size.x / size.y},
                         .lane = i % 32,
                         .parity = 0,
                         .waits = Wait::kNone,
                         .warp = &s.warps[i / 32]};
  }
  const size_t warps = s.warps.size();
  for (;;) {
    for (size_t n = 0; n < warps; ++n) {
      const size_t w = backwards ? warps - 1 - n : n;
      const size_t begin = w * 32, end = std::min<size_t>(begin + 32, threads);
      for (;;) {  // from one wait of the warp to the next
        for (size_t i = begin; i < end; ++i) {
          Resume(*s.fibers[backwards ? begin + end - 1 - i : i]);
        }
        if (!AllAlike(begin, end, fault)) {
          s.fibers.clear();  // what hangs in the middle is not to be resumed
          return false;
        }
        const Wait wait = s.fibers[begin]->lane.waits;
        if (wait == Wait::kBlock || wait == Wait::kDone) break;
      }
    }
    if (!AllAlike(0, threads, fault)) {
      s.fibers.clear();
      return false;
    }
    if (s.fibers[0]->lane.waits == Wait::kDone) return true;
  }
}

}  // namespace simt

unsigned __ballot_sync(unsigned, int predicate) {
  simt::Lane* const l = simt::g_place.lane;
  simt::Warp* const warp = l->warp;
  const unsigned parity = l->parity;
  simt::Exchange<uint64_t>(predicate != 0, l->lane, simt::Wait::kVote);
  unsigned votes = 0;
  for (unsigned i = 0; i < 32; ++i) votes |= static_cast<unsigned>(warp->value[parity][i]) << i;
  return votes;
}
