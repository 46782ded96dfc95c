#include "core/describe.hpp"

#include <limits>

#include <fmt/format.h>

namespace tessera {

Range at_least(double low) {
  return {low, std::numeric_limits<double>::infinity(), fmt::format("at least {}", low)};
}

Range between(double low, double high) {
  return {low, high, fmt::format("between {} and {}", low, high)};
}

Choice one_of(std::initializer_list<double> values) {
  return {values, fmt::format("one of {}", fmt::join(values, ", "))};
}

Choice power_of_two(double low, double high) {
  Choice choice{{}, fmt::format("a power of two from {} to {}", low, high)};
  for (double value = low; value <= high; value *= 2) choice.values.push_back(value);
  return choice;
}

Choice zero_or(Choice choice) {
  choice.values.insert(choice.values.begin(), 0);
  choice.text = "0 or " + choice.text;
  return choice;
}

}  // namespace tessera
