#include "config/near_match.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace tessera::config {
namespace {

TEST(EditDistance, CountsAddedDroppedChangedAndSwappedLetters) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("a", "a"), 0U);
  EXPECT_EQ(edit_distance("abcd", "abdc"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("damp_fration", "damp_fraction"), 1U);
}

TEST(NearMatch, TakesTheNearestWithinAThirdOfTheLetters) {
  const std::vector<std::string> known = {"seed", "vector_len", "num_groups", "num_centroids"};
  EXPECT_EQ(near_match("sede", known), 0U);
  EXPECT_EQ(near_match("vector_length", known), 1U);
  EXPECT_EQ(near_match("vect", known), 1U);  // a beginning
  EXPECT_EQ(near_match("num_group", known), 2U);
  EXPECT_EQ(near_match("", known), known.size());
  EXPECT_EQ(near_match("xyz", known), known.size());
  EXPECT_EQ(near_match(std::string(100'000, 's'), known), known.size());
  EXPECT_EQ(near_match("seed", {}), 0U);
}

}  // namespace
}  // namespace tessera::config
