#include "core/describe.hpp"

#include <fmt/format.h>

#include <limits>

namespace tessera {

Range at_least(double low) {
  return {low, std::numeric_limits<double>::infinity(), fmt::format("at least {:g}", low)};
}

Range between(double low, double high) { return {low, high, fmt::format("between {:g} and {:g}", low, high)}; }

Choice one_of(std::initializer_list<double> values) {
  return {values, fmt::format("one of {:g}", fmt::join(values, ", "))};
}

}  // namespace tessera
