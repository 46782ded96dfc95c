#include "jobs/ladder.hpp"

#include <fmt/core.h>

namespace tessera::jobs {

std::string name_of_try(double dampening) {
  return fmt::format("dampening {}", dampening);
}

std::vector<double> further_dampening(const QuantizeSettings& settings) {
  std::vector<double> further;
  for (const double dampening : settings.ladder.dampening) {
    if (dampening > settings.dampening_frac) further.push_back(dampening);
  }
  return further;
}

std::string text_of(const std::vector<Rung>& ladder) {
  std::string text;
  for (const Rung& rung : ladder) {
    if (!text.empty()) text += "; ";
    text += rung.problem.empty() ? rung.tried + " held"
                                 : fmt::format("{} failed ({})", rung.tried, rung.problem);
  }
  return text;
}

}  // namespace tessera::jobs
