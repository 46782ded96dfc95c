#include "generation/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <fmt/core.h>

#include "core/error.hpp"
#include "core/random.hpp"

namespace tessera::generation {
namespace {

/// A token that may be drawn.
struct Candidate {
  std::uint32_t token;
  double probability;
};

/// The most probable tokens, from the first to the last.
std::vector<std::uint32_t> ranked(std::span<const float> logits, std::size_t top_k) {
  std::vector<std::uint32_t> tokens(logits.size());
  std::iota(tokens.begin(), tokens.end(), 0U);
  const std::size_t count = top_k == 0 ? tokens.size() : std::min(top_k, tokens.size());
  std::ranges::partial_sort(tokens, tokens.begin() + static_cast<std::ptrdiff_t>(count),
                            [&](std::uint32_t a, std::uint32_t b) {
                              return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                            });
  tokens.resize(count);
  return tokens;
}

std::vector<Candidate> candidates(std::span<const float> logits, const SamplingSettings& settings) {
  std::vector<Candidate> list;
  double sum = 0;
  for (const std::uint32_t token : ranked(logits, settings.top_k)) {
    const double largest =
        static_cast<double>(list.empty() ? logits[token] : logits[list[0].token]);
    const double below = static_cast<double>(logits[token]) - largest;
    list.push_back({token, std::exp(below / settings.temperature)});
    sum += list.back().probability;
  }
  for (Candidate& candidate : list) candidate.probability /= sum;
  if (settings.top_p >= 1) return list;  // sums that fall short of 1 by rounding cut nothing
  double before = 0;
  const auto end = std::ranges::find_if(list, [&](const Candidate& candidate) {
    const bool is_past = before >= settings.top_p;
    before += candidate.probability;
    return is_past;
  });
  list.erase(end, list.end());
  return list;
}

}  // namespace

void check(const SamplingSettings& settings) {
  require_input(std::isfinite(settings.temperature) && settings.temperature >= 0,
                fmt::format("the temperature is {} (logits are divided by it; 0 means greedy). "
                            "Choose 0 or more.",
                            settings.temperature));
  require_input(
      settings.top_p > 0 && settings.top_p <= 1,
      fmt::format("top_p is {} (it is a probability, and something must be left to draw). "
                  "Choose more than 0 and at most 1.",
                  settings.top_p));
}

std::uint32_t choose_token(std::span<const float> logits, const SamplingSettings& settings,
                           std::size_t position) {
  require(!logits.empty(), "choose_token: there are tokens");
  check(settings);
  if (!std::ranges::all_of(logits, [](float x) { return std::isfinite(x); })) {
    throw InputError(fmt::format(
        "the model's logits for token {} are not finite (its weights are damaged, or overflow). "
        "\"tessera verify\" and \"tessera inspect\" tell more about the folder.",
        position));
  }
  if (settings.temperature == 0) {
    return static_cast<std::uint32_t>(std::ranges::max_element(logits) - logits.begin());
  }
  const std::vector<Candidate> list = candidates(logits, settings);
  double sum = 0;
  for (const Candidate& candidate : list) sum += candidate.probability;
  double left = CounterRandom(settings.seed, "generate", "sampling").uniform(position) * sum;
  for (const Candidate& candidate : list) {
    left -= candidate.probability;
    if (left < 0) return candidate.token;
  }
  return list.back().token;  // by rounding
}

}  // namespace tessera::generation
