#include "jobs/ledger_verdict.hpp"

#include <algorithm>
#include <cmath>
#include <ranges>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/human_text.hpp"
#include "jobs/settings/job_file.hpp"

namespace tessera::jobs {
namespace {

/// Of a layer's output; below that a rise is lost in any real model.
constexpr double kNoticedError = 1e-4;
constexpr double kNoticedSeconds = 10;
/// Two runs of one model and text score the original alike but for rounding.
constexpr double kSameScore = 1e-3;

/// NaN is past every bound.
bool rises_past(double before, double after, double bound) {
  constexpr double kRounding = 1e-9;
  return !(after <= before * (1 + bound + kRounding));
}

std::string change(double before, double after) {
  return before > 0 && std::isfinite(after) ? fmt::format("{:+.2f} %", 100 * (after / before - 1))
                                            : std::string("no number to compare");
}

std::map<std::string, double> errors_of(const LedgerRow& row) {
  std::map<std::string, double> errors;
  for (const LedgerLayer& layer : row.layers) errors[layer.layer] = layer.proxy_error;
  return errors;
}

/// What one row says beside a good one.
class Comparer {
 public:
  Comparer(const LedgerRow& row, const LedgerRow& good, const VerdictBounds& bounds)
      : row_(row), good_(good), bounds_(bounds) {
    verdict_.against = good.time;
  }

  Verdict judge() {
    compare_recipes();
    compare_perplexities();
    compare_layers();
    compare_bits();
    for (const std::string& problem : row_.problems)
      say(problem);  // degraded, as good rows never are
    compare_times();
    const bool has_same_bytes = compare_bytes();
    verdict_.kind = !verdict_.reasons.empty() ? VerdictKind::worse
                    : has_same_bytes          ? VerdictKind::same
                    : !gains_.empty()         ? VerdictKind::better
                                              : VerdictKind::changed;
    if (verdict_.kind == VerdictKind::same) say("the same weight files, byte for byte");
    if (verdict_.kind == VerdictKind::better) verdict_.reasons = gains_;
    if (verdict_.kind == VerdictKind::changed) say("other bytes, within the bounds" + scores_);
    return std::move(verdict_);
  }

 private:
  void say(std::string reason) { verdict_.reasons.push_back(std::move(reason)); }
  void warn(std::string warning) { verdict_.warnings.push_back(std::move(warning)); }

  void compare_recipes() {
    if (row_.recipe.fingerprint == good_.recipe.fingerprint) return;
    try {
      const auto before = settings_of(job_from_text(good_.recipe.job, "the ledger"));
      const auto after = settings_of(job_from_text(row_.recipe.job, "the run"));
      for (const auto& [key, first, second] : config::differences(before, after)) {
        warn(fmt::format("the recipe changed: {} is {}, was {}", key, second, first));
      }
    } catch (const InputError&) {  // keys come and go between programs
      warn("the recipe changed, and one of the two jobs is of another program");
    }
    if (verdict_.warnings.empty() && row_.program.version == good_.program.version) {
      warn("what the job names has another content (texts or tokens)");
    }
  }

  bool is_scored_alike() const {
    const LedgerScores &now = row_.scores, &then = good_.scores;
    return now.context_length == then.context_length && now.tokens == then.tokens &&
           std::fabs(*now.original / *then.original - 1) < kSameScore;
  }

  void compare_perplexities() {
    const auto now = row_.scores.ratio(), then = good_.scores.ratio();
    if (!then) return;
    if (!now) return warn("it was not scored, as the last good run was");
    if (!is_scored_alike()) {
      return warn(
          "it was scored on another text, context length or number of windows: "
          "perplexities are not compared");
    }
    const std::string text =
        fmt::format("the perplexity is {:.4f} times the original's, was {:.4f} ({})", *now, *then,
                    change(*then, *now));
    scores_ = "; " + text;
    if (rises_past(*then, *now, bounds_.perplexity)) {
      say(text + fmt::format("; {:g} % is allowed", 100 * bounds_.perplexity));
    } else if (rises_past(*now, *then, bounds_.perplexity)) {
      gains_.push_back(text);
    }
  }

  void compare_layers() {
    if (row_.layers.empty() || good_.layers.empty()) {
      return warn("one of the two rows holds no errors of layers: they are not compared");
    }
    const auto then = errors_of(good_), now = errors_of(row_);
    for (const auto& [layer, before] : then) {
      const auto after = now.find(layer);
      if (after == now.end()) {
        say(layer + " is not quantized any more");
      } else if (rises_past(before, after->second, bounds_.layer_error) &&
                 !(after->second - before < kNoticedError)) {
        verdict_.worse_layers.push_back({layer, before, after->second});
      }
    }
    const auto weight = [](const LayerRise& rise) {
      const double share = rise.after / rise.before;
      return std::isfinite(share) ? -share : -std::numeric_limits<double>::infinity();
    };
    std::ranges::stable_sort(verdict_.worse_layers, {}, weight);
    for (const LayerRise& rise : verdict_.worse_layers) {
      say(fmt::format("the error of {} is {:.4g}, was {:.4g} ({}; {:g} % is allowed)", rise.layer,
                      rise.after, rise.before, change(rise.before, rise.after),
                      100 * bounds_.layer_error));
    }
  }

  void compare_bits() {
    const auto now = row_.scores.bits_per_weight, then = good_.scores.bits_per_weight;
    if (!now || !then) return;
    const std::string text = fmt::format("{:.4f} bits per weight, was {:.4f}", *now, *then);
    if (rises_past(*then, *now, bounds_.bits)) {
      say(text + fmt::format("; {:g} % more is allowed", 100 * bounds_.bits));
    } else if (rises_past(*now, *then, 0)) {
      gains_.push_back(text);
    }
  }

  void compare_times() {
    const double now = row_.total_seconds(), then = good_.total_seconds();
    const bool is_comparable = row_.machine.processor == good_.machine.processor &&
                               row_.machine.num_threads == good_.machine.num_threads &&
                               row_.machine.num_ranks == good_.machine.num_ranks;
    if (!is_comparable || then <= 0 || now - then < kNoticedSeconds) return;
    if (rises_past(then, now, bounds_.seconds)) {
      warn(fmt::format("it took {}, was {} ({})", duration_text(now), duration_text(then),
                       change(then, now)));
    }
  }

  bool compare_bytes() {
    const auto now = row_.output.weights(), then = good_.output.weights();
    if (now.empty() || then.empty()) {
      warn("the digests of one of the two outputs are not known: bytes are not compared");
      return false;
    }
    const bool is_one_program = row_.program.version == good_.program.version &&
                                row_.program.commit == good_.program.commit &&
                                !row_.program.commit.empty() &&
                                !row_.program.commit.ends_with("-dirty");
    if (now != then && is_one_program && row_.machine.processor == good_.machine.processor &&
        row_.recipe.fingerprint == good_.recipe.fingerprint) {
      warn(
          "the same commit made other bytes of the same job on the same processor (they should "
          "be the same; another compiler or library?)");
    }
    return now == then;
  }

  const LedgerRow& row_;
  const LedgerRow& good_;
  const VerdictBounds& bounds_;
  Verdict verdict_;
  std::vector<std::string> gains_;
  std::string scores_;
};

}  // namespace

const LedgerRow* last_good(const std::vector<LedgerRow>& rows, const std::string& name,
                           const std::string& model_sha256) {
  for (const LedgerRow& row : rows | std::views::reverse) {
    if (row.name == name && row.model.sha256 == model_sha256 && row.is_good()) return &row;
  }
  return nullptr;
}

Verdict judge(const LedgerRow& row, const LedgerRow* good, const VerdictBounds& bounds) {
  if (row.end == RunEnd::failed || row.end == RunEnd::refused) {
    return {VerdictKind::failed, row.problems, {}, {}, good == nullptr ? "" : good->time};
  }
  if (good != nullptr) return Comparer(row, *good, bounds).judge();
  Verdict verdict;
  verdict.reasons = {"there is no good run of this model and recipe before it"};
  verdict.warnings = row.problems;
  return verdict;
}

int exit_code(const Verdict& verdict) {
  return verdict.kind == VerdictKind::worse || verdict.kind == VerdictKind::failed ? 4 : 0;
}

}  // namespace tessera::jobs
