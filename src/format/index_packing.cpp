#include "format/index_packing.hpp"

#include "core/error.hpp"

namespace tessera::format {

std::size_t packed_words(std::size_t group_size, int bits_per_index) {
  require(bits_per_index >= 1 && bits_per_index <= 32, "an index has 1 to 32 bits");
  return (group_size * static_cast<std::size_t>(bits_per_index) + 31) / 32;
}

void pack_indices(std::span<const std::uint16_t> main, std::span<const std::uint16_t> residual,
                  int main_bits, int residual_bits, std::span<std::uint32_t> words) {
  require(main_bits >= 1 && main_bits <= 16, "a main index has 1 to 16 bits");
  require(residual_bits >= 0 && residual_bits <= 16, "a residual index has 0 to 16 bits");
  require(residual.size() == (residual_bits > 0 ? main.size() : 0), "one residual index a column");
  const int bits = main_bits + residual_bits;
  require(words.size() == packed_words(main.size(), bits), "a packed row's words");

  std::uint64_t pending = 0;  // bits that do not fill a word yet, lowest first
  int num_pending = 0;
  std::size_t word = 0;
  for (std::size_t c = 0; c < main.size(); ++c) {
    const std::uint64_t high = residual.empty() ? 0u : residual[c];
    require((main[c] >> main_bits) == 0 && (high >> residual_bits) == 0, "an index fits its bits");
    pending |= (main[c] | (high << main_bits)) << num_pending;
    num_pending += bits;
    while (num_pending >= 32) {
      words[word++] = static_cast<std::uint32_t>(pending);
      pending >>= 32;
      num_pending -= 32;
    }
  }
  if (num_pending > 0) words[word] = static_cast<std::uint32_t>(pending);
}

}  // namespace tessera::format
