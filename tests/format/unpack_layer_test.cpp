#include "format/unpack_layer.hpp"

#include <algorithm>

#include <gmock/gmock.h>

#include "core/random.hpp"
#include "format/index_packing.hpp"

namespace tessera::format {
namespace {

using Words = std::vector<std::uint32_t>;

Words unpacked(Words words, int bits, std::size_t count) {
  words.push_back(0);
  Words values(count);
  unpack_row(words, bits, values);
  return values;
}

// The golden vectors of vptq.md 3.4, read: main index low, residual high.
TEST(UnpackRow, GoldenVectors) {
  EXPECT_EQ(unpacked({0x03002001, 0x60050040, 0x00800700}, 12, 8), (Words{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(unpacked({0x23001ABC, 0x0FFFFFE1, 0x00000080}, 24, 3),
            (Words{0x001ABC, 0xFFE123, 0x800FFF}));
  EXPECT_EQ(unpacked({0x0112BEEF, 0xFFFFFF00, 0x00000000}, 24, 3),
            (Words{0x12BEEF, 0xFF0001, 0x00FFFF}));
  EXPECT_EQ(unpacked({0x8000FFFF, 0x7FFF0000}, 32, 2), (Words{0x8000FFFF, 0x7FFF0000}));
  EXPECT_EQ(unpacked({0xFFFF0001, 0x00008000}, 16, 3), (Words{1, 65535, 32768}));
}

TEST(UnpackRow, ReadsBackWhatTheWriterPacksForAllWidths) {
  const CounterRandom random(1, "unpack_row", "test");
  for (int main = 1; main <= 16; ++main) {
    for (int residual = 0; residual <= main; ++residual) {
      for (const std::size_t count : {1, 2, 31, 33, 64}) {
        std::vector<std::uint16_t> low(count), high(residual > 0 ? count : 0);
        for (std::size_t i = 0; i < count; ++i)
          low[i] = static_cast<std::uint16_t>(random.below(i, 1u << main));
        for (std::size_t i = 0; i < high.size(); ++i) {
          high[i] = static_cast<std::uint16_t>(random.below(100 + i, 1u << residual));
        }
        Words words(packed_words(count, main + residual));
        pack_indices(low, high, main, residual, words);
        const Words values = unpacked(words, main + residual, count);
        for (std::size_t i = 0; i < count; ++i) {
          const std::uint32_t wanted =
              low[i] | (high.empty() ? 0u : std::uint32_t{high[i]} << main);
          ASSERT_EQ(values[i], wanted) << main << " + " << residual << " bits, index " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tessera::format
