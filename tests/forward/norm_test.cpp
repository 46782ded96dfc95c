#include "forward/norm.hpp"

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "tests/support/in_memory_source.hpp"
#include "tests/support/random_matrix.hpp"

namespace tessera::forward {
namespace {

std::vector<float> values(std::size_t count, std::uint64_t seed) {
  const Matrix<float> random = test::random_matrix(1, count, seed);
  return {random.span().begin(), random.span().end()};
}

std::vector<double> exact_layer_norm(const std::vector<float>& x, const NormWeights& norm,
                                     double epsilon) {
  const auto size = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / size;
  double variance = 0;
  for (const float value : x) variance += std::pow(double{value} - mean, 2) / size;
  std::vector<double> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    out.push_back((double{x[i]} - mean) / std::sqrt(variance + epsilon) * double{norm.weight[i]} +
                  double{norm.bias[i]});
  }
  return out;
}

TEST(Norm, LayerNormIsItsDefinitionInPlaceToo) {
  for (const std::size_t size : {1, 2, 15, 16, 17, 257}) {
    const NormWeights norm{values(size, 2), values(size, 3)};
    for (const float offset : {0.0F, 30.0F}) {
      auto x = values(size, 1);
      for (float& value : x) value += offset;
      std::vector<float> out(size);
      layer_norm(x, norm, 1e-5, out);
      const auto expected = exact_layer_norm(x, norm, 1e-5);
      for (std::size_t i = 0; i < size; ++i) {
        // The mean is rounded to fp32, and all of x - mean may hang on that.
        EXPECT_NEAR(out[i], expected[i], 2e-6 * (1 + double{offset})) << size << ", " << offset;
      }
      layer_norm(x, norm, 1e-5, x);
      EXPECT_EQ(x, out);
    }
  }
}

TEST(Norm, ARowWithoutVarianceBecomesTheBias) {
  const NormWeights norm{values(20, 2), values(20, 3)};
  std::vector<float> out(20);
  for (const float value : {0.0F, 0.5F, -4096.0F}) {
    layer_norm(std::vector<float>(20, value), norm, 1e-5, out);
    EXPECT_EQ(out, norm.bias);
  }
}

TEST(Norm, OfARowIsOfTheConfigsKind) {
  model::ModelConfig config = test::tiny_config();
  const NormWeights norm{values(20, 2), values(20, 3)};
  const Matrix<float> x = test::random_matrix(3, 20, 1);
  Matrix<float> rms(3, 20), layer(3, 20);
  normalize_rows(config, norm, x, rms);
  config.norm = model::NormKind::layer;
  normalize_rows(config, norm, x, layer);
  std::vector<float> expected(20);
  rms_norm(x.view().row_span(2), norm.weight, config.norm_epsilon, expected);
  EXPECT_THAT(expected, ::testing::ElementsAreArray(rms.view().row_span(2)));
  layer_norm(x.view().row_span(2), norm, config.norm_epsilon, expected);
  EXPECT_THAT(expected, ::testing::ElementsAreArray(layer.view().row_span(2)));
}

TEST(Norm, LoadingNamesAMissingBias) {
  const model::ModelConfig config = test::tiny_opt_config();
  auto source = test::random_weights(config, 3);
  const auto names = model::mlp_norm(config, 1);
  EXPECT_EQ(load_norm(source, names, config.hidden_size).bias,
            source.tensors.at(names.bias).values);
  source.tensors.erase(names.bias);
  EXPECT_THAT([&] { load_norm(source, names, config.hidden_size); },
              ::testing::ThrowsMessage<InputError>(::testing::HasSubstr(names.bias)));
}

}  // namespace
}  // namespace tessera::forward
