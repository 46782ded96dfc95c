#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

// How indices lie in a packed file (vptq.md 3.4): one stream of bits for each group and vector row.
// Column after column contributes its main index and, above it, its residual index; bit i of the
// stream is bit i mod 32 of word i / 32. Zero bits fill the last word, so rows never share one.
namespace tessera::format {

/// 32-bit words of one row of @p group_size columns.
std::size_t packed_words(std::size_t group_size, int bits_per_index);

/// Packs one row: @p residual is as long as @p main, or empty when residual_bits is 0.
/// @pre words.size() == packed_words(main.size(), main_bits + residual_bits); every index fits its
/// bits
void pack_indices(std::span<const std::uint16_t> main, std::span<const std::uint16_t> residual,
                  int main_bits, int residual_bits, std::span<std::uint32_t> words);

}  // namespace tessera::format
