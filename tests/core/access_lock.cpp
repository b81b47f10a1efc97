// The steps of csrc/core/access_lock.hpp by several threads in every order, with a fork at every place.
//
// A thread's program is a string of steps; what AccessLock does in one atomic exchange is one step here, by the same
// functions. In each state that can be reached: a writer is alone, readers meet no other thread's training, and the word
// says how many there are. In each state from which nothing goes on, everybody has ended, and the network is free.
#include "access_lock.hpp"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using deltarule::Access;
using deltarule::Process;

namespace {

// r: begin to read; R: end it. w, W: to write. t, T: to train; and what a thread does of itself: ".": wait for readers.
struct Thread {
  uint32_t number;
  std::string left;          // of its program
  int reads = 0, writes = 0, trainings = 0;
  int inherited = 0;         // of the reads, the outermost ones: begun before the fork
  bool wrote_before = false;  // the writing was begun before the fork

  auto key() const { return std::tie(number, left, reads, writes, trainings, inherited, wrote_before); }
};

struct State {
  uint64_t word = 0;
  Process process{0, 0};
  std::vector<Thread> threads;

  std::string key() const {
    std::string text = std::to_string(word) + '/' + std::to_string(process.forks) + '/' +
                       std::to_string(process.survivor);
    for (const Thread& t : threads) {
      text += '|' + std::to_string(t.number) + t.left + ',' + std::to_string(t.reads) + std::to_string(t.writes) +
              std::to_string(t.trainings) + std::to_string(t.inherited) + (t.wrote_before ? "b" : "");
    }
    return text;
  }
};

[[noreturn]] void fail(const State& state, const char* rule) {
  std::printf("%s: %s\n", rule, state.key().c_str());
  std::exit(1);
}

void check(const State& state) {
  const Access access = Access::of(state.word).in(state.process);
  int readers = 0, writers = 0, trainers = 0;
  for (const Thread& t : state.threads) {
    readers += t.reads - t.inherited;
    writers += t.writes && !t.wrote_before;
    trainers += t.trainings > 0;
  }
  if (writers > 1 || (writers && readers)) fail(state, "a writer is alone");
  if (access.users != (writers ? -1 : readers)) fail(state, "the word counts the users");
  if (trainers > 1) fail(state, "one trains at a time");
  for (const Thread& t : state.threads)
    if (t.trainings && access.trainer != t.number) fail(state, "the word names the trainer");
  for (const Thread& t : state.threads) {
    const bool uses = t.reads > t.inherited || (t.writes && !t.wrote_before);
    for (const Thread& other : state.threads)
      // those at work when the training began end first: the trainer waits, "." being what is left of that
      if (uses && other.number != t.number && other.trainings && other.left[0] != '.')
        fail(state, "who trains is alone");
  }
}

// The state after one step of a thread, or none where it waits. A step that is refused ends its thread's program.
std::optional<State> after(State state, size_t i) {
  Thread& t = state.threads[i];
  const char step = t.left[0];
  const Access access = Access::of(state.word).in(state.process);
  std::optional<Access> to = access;
  // What is refused: the program goes on with the ends of what was begun.
  const auto end_all = [&] {
    std::string ends;
    if (t.writes) ends += 'W';
    ends += std::string(static_cast<size_t>(t.reads), 'R') + std::string(static_cast<size_t>(t.trainings), 'T');
    t.left = ' ' + ends;
  };
  switch (step) {
    case 'r':
      if ((to = access.with_reader(t.number))) ++t.reads;
      else end_all();
      break;
    case 'R':
      if (t.reads-- <= t.inherited) --t.inherited;
      else to = access.without_reader();
      break;
    case 'w':
      if ((to = access.with_writer(t.number))) t.writes = 1, t.wrote_before = false;
      else end_all();
      break;
    case 'W':
      if (!t.wrote_before) to = access.without_writer();
      t.writes = 0, t.wrote_before = false;
      break;
    case 't':
      if (t.reads > 0 && access.users > 0) to = std::nullopt;
      else to = access.with_trainer(t.number, false);
      if (to) ++t.trainings, t.left.insert(1, ".");
      else end_all();
      break;
    case '.':
      if (access.users > 0) return std::nullopt;  // waits
      break;
    case 'T':
      if (access.trainer != t.number) fail(state, "a training ends by its thread");
      if (--t.trainings == 0) to = access.without_trainer();
      break;
  }
  t.left.erase(0, 1);
  if (to) state.word = to->word();
  return state;
}

// The child that thread i forks now, in which new threads begin programs.
State forked(const State& state, size_t i, const std::vector<std::string>& programs) {
  State child{state.word, {state.process.forks + 1, state.threads[i].number}, {state.threads[i]}};
  Thread& survivor = child.threads[0];
  survivor.inherited = survivor.reads;
  survivor.wrote_before = survivor.writes > 0;
  uint32_t number = 100 * child.process.forks;
  for (const std::string& program : programs) child.threads.push_back({number++, program});
  return child;
}

size_t explored = 0;

void explore(const State& from, const std::vector<std::string>& in_child, std::set<std::string>& seen) {
  std::vector<State> open{from};
  while (!open.empty()) {
    const State state = open.back();
    open.pop_back();
    if (!seen.insert(state.key()).second) continue;
    ++explored;
    check(state);
    bool ended = true, goes_on = false;
    for (size_t i = 0; i < state.threads.size(); ++i) {
      if (state.threads[i].left.empty()) continue;
      ended = false;
      if (const auto next = after(state, i)) {
        goes_on = true;
        open.push_back(*next);
      }
      // "." is within the core: no thread forks there
      if (state.process.forks < 2 && state.threads[i].left[0] != '.') open.push_back(forked(state, i, in_child));
    }
    if (!ended && !goes_on) fail(state, "no deadlock");
    const Access access = Access::of(state.word).in(state.process);
    if (ended && (access.users != 0 || access.trainer != 0 || !access.with_writer(7)))
      fail(state, "the network is free at the end");
  }
}

}  // namespace

int main() {
  for (int32_t users : {-1, 0, 1, 7, Access::kMostUsers})
    for (uint32_t trainer : {0u, 1u, 0xffffffffu})
      for (uint32_t forks : {0u, 1u, Access::kForks - 1}) {
        const Access access = Access::of(Access{users, trainer, trainer == 1, forks}.word());
        if (access.users != users || access.trainer != trainer || access.forks != forks) return 2;
        if (access.brief != (trainer == 1)) return 2;
      }
  // A prediction, one within another; a change; a training with both in it, and one within it.
  const std::vector<std::string> programs{"rR", "rrRR", "wW", "trRwWT", "twWtwWTT", "rRwW"};
  for (const std::vector<std::string>& in_child :
       {std::vector<std::string>{"rR", "trRwWT"}, {"rR", "rR"}, {"wW", "tT"}}) {
    std::set<std::string> seen;
    for (const std::string& a : programs)
      for (const std::string& b : programs)
        for (const std::string& c : programs) explore({0, {0, 0}, {{1, a}, {2, b}, {3, c}}}, in_child, seen);
  }
  std::printf("%zu states\n", explored);
}
