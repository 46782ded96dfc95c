#include "config/problem_list.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::config {
namespace {

constexpr std::size_t kMostShown = 50;  // a file of another kind has a problem in every line

}  // namespace

void ProblemList::add(const Place& place, std::string problem) {
  if (!problem.ends_with('.') && !problem.ends_with('?')) problem += '.';
  problems_.push_back({place, std::move(problem)});
}

void ProblemList::throw_if_any() const {
  if (problems_.empty()) return;
  auto sorted = problems_;
  std::ranges::stable_sort(sorted, {}, [](const Problem& problem) {
    return problem.place.line > 0 ? problem.place.line : std::numeric_limits<int>::max();
  });
  std::string message;
  for (std::size_t i = 0; i < std::min(sorted.size(), kMostShown); ++i) {
    if (i > 0) message += '\n';
    message += fmt::format("{}: {}", sorted[i].place.text(), sorted[i].text);
  }
  if (sorted.size() > kMostShown) {
    message += fmt::format("\nand {} more problems.", sorted.size() - kMostShown);
  }
  throw InputError(message);
}

}  // namespace tessera::config
