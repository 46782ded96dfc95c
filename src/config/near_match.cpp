#include "config/near_match.hpp"

#include <algorithm>
#include <vector>

namespace tessera::config {
namespace {

constexpr std::size_t kLongestWord = 64;  // nobody mistypes longer ones; hostile files have them
constexpr std::size_t kShortestBeginning = 4;

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, change});
      const bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (is_swap) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
  }
  return row[b.size()];
}

std::size_t near_match(std::string_view word, std::span<const std::string> candidates) {
  std::size_t best = candidates.size();
  if (word.empty() || word.size() > kLongestWord) return best;
  std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const bool is_beginning = word.size() >= kShortestBeginning && candidates[i].starts_with(word);
    const std::size_t distance = is_beginning ? 1 : edit_distance(word, candidates[i]);
    if (distance < best_distance) {
      best = i;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace tessera::config
