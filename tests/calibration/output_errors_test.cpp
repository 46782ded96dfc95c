// Sums of what a quantized model's outputs are off by, against numbers worked out by hand and a
// plain loop.
#include "calibration/output_errors.hpp"

#include <gtest/gtest.h>

#include "tests/support/random_matrix.hpp"

namespace tessera::calibration {
namespace {

Matrix<float> matrix(std::size_t rows, std::size_t cols, const std::vector<float>& values) {
  Matrix<float> made(rows, cols);
  std::ranges::copy(values, made.data());
  return made;
}

TEST(OutputErrors, NoTokensHaveNoMean) {
  const OutputErrors none(3);
  EXPECT_EQ(none.num_tokens(), 0u);
  EXPECT_EQ(none.mean(), std::vector<double>(3, 0.0));
  EXPECT_EQ(none.mean_square(), std::vector<double>(3, 0.0));
}

/// Two samples of three tokens, one input, two outputs: y = (2x, -x + 1), y^ = (3x + .5, -x + 2).
TEST(OutputErrors, LeavesEachSamplesFirstTokenOut) {
  const linalg::PackedWeight original(matrix(2, 1, {2, -1}).view());
  const linalg::PackedWeight quantized(matrix(2, 1, {3, -1}).view());
  const std::vector<float> bias = {0, 1}, bias_quantized = {0.5f, 2};
  const auto x = matrix(6, 1, {100, 1, 2, -50, 3, 4});
  const auto x_quantized = matrix(6, 1, {7, 1, 2, 9, 3, 6});  // the last token has drifted by 2
  Threads threads(2);
  OutputErrors errors(2);
  errors.add(threads, {original, bias}, x, {quantized, bias_quantized}, x_quantized, 3);
  EXPECT_EQ(errors.num_tokens(), 4u);
  // e of the first output: 1.5, 2.5, 3.5, 18.5 - 8; of the second: 1, 1, 1, -4 + 3
  EXPECT_EQ(errors.mean(), (std::vector<double>{(1.5 + 2.5 + 3.5 + 10.5) / 4, 0.5}));
  EXPECT_EQ(errors.mean_square(), (std::vector<double>{(2.25 + 6.25 + 12.25 + 110.25) / 4, 1.0}));
}

TEST(OutputErrors, SamplesOfOneTokenCountWithIt) {
  const linalg::PackedWeight original(matrix(1, 1, {1}).view()),
      quantized(matrix(1, 1, {2}).view());
  const auto x = matrix(2, 1, {3, 5});
  Threads threads(1);
  OutputErrors errors(1);
  errors.add(threads, {original, {}}, x, {quantized, {}}, x, 1);
  EXPECT_EQ(errors.num_tokens(), 2u);
  EXPECT_EQ(errors.mean(), std::vector<double>{4});
}

/// Samples that end inside a tile of tokens; the same bits on any number of threads.
TEST(OutputErrors, RaggedTilesAddUpAlikeOnAnyNumberOfThreads) {
  const std::size_t length = 101, tokens = 6 * length;
  const auto w = test::random_matrix(13, 7, 1), w_quantized = test::random_matrix(13, 7, 2);
  const auto x = test::random_matrix(tokens, 7, 3), x_quantized = test::random_matrix(tokens, 7, 4);
  const linalg::PackedWeight original(w.view()), quantized(w_quantized.view());
  std::vector<OutputErrors> found;
  for (const std::size_t count : {1, 2, 3}) {
    Threads threads(count);
    found.emplace_back(13).add(threads, {original, {}}, x, {quantized, {}}, x_quantized, length);
  }
  EXPECT_TRUE(std::ranges::equal(found[0].flat(), found[1].flat()));
  EXPECT_TRUE(std::ranges::equal(found[0].flat(), found[2].flat()));
  for (std::size_t i = 0; i < 13; ++i) {
    double sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      if (t % length == 0) continue;
      for (std::size_t j = 0; j < 7; ++j) {
        sum += double{w_quantized(i, j)} * double{x_quantized(t, j)} -
               double{w(i, j)} * double{x(t, j)};
      }
    }
    EXPECT_NEAR(found[0].mean()[i], sum / 600, 1e-5);  // products of 7 terms in fp32
  }
}

}  // namespace
}  // namespace tessera::calibration
