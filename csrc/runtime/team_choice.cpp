#include "team_choice.hpp"

#include <algorithm>
#include <bit>

namespace deltarule {

namespace {

constexpr int kTrialCalls = 4;     // the first tells nothing: it wakes the workers, or finds cold caches
constexpr int kCallsBetween = 32;  // trials, at least
constexpr double kMostPatience = 128.0;
constexpr double kMargin = 1.04;  // slower than that is slower
constexpr double kMemory = 8.0;   // calls over which the recent time is averaged
constexpr double kOutlier = 2.0;  // of the recent time: what one call may count at most

std::atomic<bool> keep_planned{false};

}  // namespace

void TeamChoice::turn(bool together) {
  together_ = together;
  trying_ = false;
  spent_ = trial_ = 0.0;
  calls_ = 0;
}

void TeamChoice::took(double seconds) {
  ++calls_;
  if (trying_) {
    trial_ += seconds;
    if (calls_ == 1) return;
    double& other = recent(!together_);
    other = calls_ == 2 ? seconds : std::min(other, seconds);
    if (calls_ < kTrialCalls) return;
    lost_ = std::max(0.0, trial_ - kTrialCalls * recent(together_));
    const bool wins = other * kMargin < recent(together_);
    patience_ = wins ? kPatience : std::min(2.0 * patience_, kMostPatience);
    return turn(wins != together_);
  }
  double& mine = recent(together_);
  if (calls_ == 1) {  // as the first of a trial, which pays for it
    if (mine > 0.0) lost_ += std::max(0.0, seconds - mine);
    return;
  }
  mine = mine == 0.0 ? seconds : mine + (std::min(seconds, kOutlier * mine) - mine) / kMemory;
  spent_ += seconds;
  const double other = recent(!together_);
  // slower than the other was: it may be the machine that has become slower
  const bool is_slower = other > 0.0 && mine > kMargin * other;
  if (!is_slower && (calls_ < kCallsBetween || spent_ < patience_ * lost_)) return;
  trying_ = true;
  calls_ = 0;
}

TeamChoice* TeamChoices::of(int64_t rows) {
  if (keep_planned.load(std::memory_order_relaxed)) return nullptr;
  const auto bits = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(rows)));
  if (!by_rows_) by_rows_ = std::make_unique<std::array<TeamChoice, 24>>();
  return &(*by_rows_)[std::min(bits, by_rows_->size() - 1)];
}

TimedTeam::TimedTeam(TeamChoices& choices, int planned, int64_t rows)
    : choices_(choices), rows_(rows), size_(planned), ran_(planned) {
  if (planned <= 1 || choices.busy_.test_and_set(std::memory_order_acquire)) return;
  choice_ = choices.of(rows);
  if (!choice_) {
    choices.busy_.clear(std::memory_order_release);
    return;
  }
  if (!choice_->together()) size_ = ran_ = 1;
  start_ = std::chrono::steady_clock::now();
}

TimedTeam::~TimedTeam() {
  if (!choice_) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  if (ran_ == size_) choice_->took(seconds / static_cast<double>(rows_));
  choices_.busy_.clear(std::memory_order_release);
}

void keep_planned_teams(bool keep) { keep_planned.store(keep, std::memory_order_relaxed); }

}  // namespace deltarule
