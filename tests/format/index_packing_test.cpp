#include "format/index_packing.hpp"

#include <gmock/gmock.h>

#include "core/error.hpp"

namespace tessera::format {
namespace {

using Indices = std::vector<std::uint16_t>;
using Words = std::vector<std::uint32_t>;

Words packed(const Indices& main, const Indices& residual, int main_bits, int residual_bits) {
  Words words(packed_words(main.size(), main_bits + residual_bits));
  pack_indices(main, residual, main_bits, residual_bits, words);
  return words;
}

// The golden vectors of vptq.md 3.4, which vptq's own packer and unpacker agree with.
TEST(IndexPacking, GoldenVectors) {
  EXPECT_EQ(packed({1, 2, 3, 4, 5, 6, 7, 8}, {}, 12, 0),
            (Words{0x03002001, 0x60050040, 0x00800700}));
  EXPECT_EQ(packed({0xABC, 0x123, 0xFFF}, {0x001, 0xFFE, 0x800}, 12, 12),
            (Words{0x23001ABC, 0x0FFFFFE1, 0x00000080}));
  EXPECT_EQ(packed({0xBEEF, 0x0001, 0xFFFF}, {0x12, 0xFF, 0x00}, 16, 8),
            (Words{0x0112BEEF, 0xFFFFFF00, 0x00000000}));
  EXPECT_EQ(packed({0xFFFF, 0x0000}, {0x8000, 0x7FFF}, 16, 16), (Words{0x8000FFFF, 0x7FFF0000}));
  EXPECT_EQ(packed({1, 65535, 32768}, {}, 16, 0), (Words{0xFFFF0001, 0x00008000}));
}

TEST(IndexPacking, RowsFillWholeWords) {
  EXPECT_EQ(packed_words(1, 1), 1u);
  EXPECT_EQ(packed_words(32, 1), 1u);
  EXPECT_EQ(packed_words(33, 1), 2u);
  EXPECT_EQ(packed_words(8, 12), 3u);
  EXPECT_EQ(packed_words(7, 32), 7u);
  EXPECT_EQ(packed_words(0, 5), 0u);
  EXPECT_EQ(packed({1}, {}, 1, 0), (Words{1}));
  EXPECT_EQ(packed(Indices(33, 1), {}, 1, 0), (Words{0xFFFFFFFF, 1}));
}

TEST(IndexPacking, RefusesWhatDoesNotFit) {
  EXPECT_THROW(packed({4}, {}, 2, 0), Bug);
  EXPECT_THROW(packed({1}, {2}, 2, 1), Bug);
  EXPECT_THROW(packed({1}, {}, 2, 1), Bug);   // no residual index
  EXPECT_THROW(packed({1}, {1}, 2, 0), Bug);  // one too many
  EXPECT_THROW(packed_words(1, 33), Bug);
  Words too_few(1);
  EXPECT_THROW(pack_indices(Indices{1, 2, 3}, {}, 16, 0, too_few), Bug);
}

}  // namespace
}  // namespace tessera::format
