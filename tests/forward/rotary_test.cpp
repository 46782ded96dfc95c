#include "forward/rotary.hpp"

#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

namespace tessera::forward {
namespace {

model::ModelConfig config_of(std::size_t head_dim) {
  model::ModelConfig config;
  config.head_dim = head_dim;
  config.rope_theta = 10000;
  return config;
}

TEST(Rotary, ByHand) {
  const RotaryTable table(config_of(4), 3);  // frequencies 1 and 1/100
  std::vector<float> head{1, 0, 0, 1};
  table.rotate(head, 2);  // (1, 0) by 2, (0, 1) by 0.02
  EXPECT_NEAR(head[0], std::cos(2.0), 1e-7);
  EXPECT_NEAR(head[2], std::sin(2.0), 1e-7);
  EXPECT_NEAR(head[1], -std::sin(0.02), 1e-7);
  EXPECT_NEAR(head[3], std::cos(0.02), 1e-7);
}

TEST(Rotary, PositionZeroTurnsNothing) {
  std::vector<float> head{1, 2, 3, 4, 5, 6};
  RotaryTable(config_of(6), 1).rotate(head, 0);
  EXPECT_EQ(head, (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(Rotary, LinearScalingDividesEveryFrequency) {
  auto config = config_of(8);
  const auto plain = rotary_frequencies(config);
  config.rope_scaling.kind = model::RopeScaling::Kind::linear;
  config.rope_scaling.factor = 4;
  const auto scaled = rotary_frequencies(config);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_DOUBLE_EQ(scaled[i], plain[i] / 4);
}

TEST(Rotary, Llama3ScalingKeepsShortWavesAndStretchesLongOnes) {
  auto config = config_of(64);
  const auto plain = rotary_frequencies(config);
  config.rope_scaling = {model::RopeScaling::Kind::llama3, 8, 1, 4, 1024};
  const auto scaled = rotary_frequencies(config);
  std::size_t kept = 0, blended = 0, stretched = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    const double wavelength = 2 * std::numbers::pi / plain[i];
    if (wavelength < 1024.0 / 4) {
      EXPECT_EQ(scaled[i], plain[i]);
      ++kept;
    } else if (wavelength > 1024.0) {
      EXPECT_DOUBLE_EQ(scaled[i], plain[i] / 8);
      ++stretched;
    } else {
      const double keep = (1024 / wavelength - 1) / 3;
      EXPECT_NEAR(scaled[i], plain[i] * (keep + (1 - keep) / 8), 1e-15);
      ++blended;
    }
  }
  EXPECT_GT(kept, 0u);
  EXPECT_GT(blended, 0u);
  EXPECT_GT(stretched, 0u);
}

}  // namespace
}  // namespace tessera::forward
