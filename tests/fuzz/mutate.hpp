#pragma once
#include <cstdint>
#include <vector>

namespace tessera::fuzz {

using Bytes = std::vector<std::uint8_t>;

/// Mutation number @p i: one input of the corpus with one to six changes (bits, bytes, 8-byte
/// lengths, pieces erased, doubled or taken from another input, and words that parsers stumble
/// over).
/// @pre corpus is not empty
Bytes mutated(const std::vector<Bytes>& corpus, std::uint64_t seed, std::uint64_t i);

}  // namespace tessera::fuzz
