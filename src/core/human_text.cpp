#include "core/human_text.hpp"

#include <array>
#include <cmath>

#include <fmt/format.h>

namespace tessera {

std::string duration_text(double seconds) {
  if (!(seconds >= 0)) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<long>(std::lround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
}

std::string rate_text(double per_second) {
  struct Span {
    double seconds;
    const char* name;
  };
  static constexpr std::array<Span, 3> kSpans = {{{1, "s"}, {60, "min"}, {3600, "h"}}};
  const Span* span = kSpans.begin();
  while (per_second * span->seconds < 0.95 && span + 1 != kSpans.end()) ++span;
  const double rate = per_second * span->seconds;
  return fmt::format("{:.{}f}/{}", rate, rate < 9.95 ? 1 : 0, span->name);
}

std::string bytes_text(double bytes) {
  static constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < kUnits.size()) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", bytes, unit == 0 || bytes >= 99.95 ? 0 : 1, kUnits[unit]);
}

}  // namespace tessera
