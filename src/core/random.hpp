#pragma once
#include <cstdint>
#include <string_view>

namespace tessera {

/// Random numbers by counter: number i of a stream depends on (key, i) alone, so any thread or rank
/// may draw it.
///
/// The key mixes the job's seed, a name (a layer) and a purpose ("kmeans"). Values are those of
/// SplitMix64's output function (Steele et al. 2014) at key + i * golden gamma.
class CounterRandom {
 public:
  CounterRandom(std::uint64_t seed, std::string_view name, std::string_view purpose);

  std::uint64_t bits(std::uint64_t i) const;
  /// Uniform in [0, 1), with 53 random bits.
  double uniform(std::uint64_t i) const;
  /// Uniform in 0 ... bound - 1; bound > 0.
  std::uint64_t below(std::uint64_t i, std::uint64_t bound) const;
  /// Standard normal (Box and Muller); uses numbers 2i and 2i + 1.
  double normal(std::uint64_t i) const;

 private:
  std::uint64_t key_;
};

}  // namespace tessera
