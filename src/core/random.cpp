#include "core/random.hpp"

#include <cmath>
#include <numbers>

#include "core/error.hpp"

namespace tessera {
namespace {

constexpr std::uint64_t kGoldenGamma = 0x9E3779B97F4A7C15u;

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::uint64_t absorb(std::uint64_t state, std::string_view text) {
  for (const char c : text) state = mix(state + kGoldenGamma + static_cast<unsigned char>(c));
  return mix(state + kGoldenGamma + 0x100);  // ends the text: ("ab", "c") differs from ("a", "bc")
}

}  // namespace

CounterRandom::CounterRandom(std::uint64_t seed, std::string_view name, std::string_view purpose)
    : key_(absorb(absorb(mix(seed + kGoldenGamma), name), purpose)) {}

std::uint64_t CounterRandom::bits(std::uint64_t i) const {
  return mix(key_ + (i + 1) * kGoldenGamma);
}

double CounterRandom::uniform(std::uint64_t i) const {
  return static_cast<double>(bits(i) >> 11) * 0x1.0p-53;
}

std::uint64_t CounterRandom::below(std::uint64_t i, std::uint64_t bound) const {
  require(bound > 0, "CounterRandom::below needs a positive bound");
  // The multiply-shift method; the bias is below 2^-32 for any bound that counts things in memory.
  return static_cast<std::uint64_t>(uniform(i) * static_cast<double>(bound));
}

double CounterRandom::normal(std::uint64_t i) const {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform(2 * i)));
  return radius * std::cos(2.0 * std::numbers::pi * uniform(2 * i + 1));
}

}  // namespace tessera
