#include "residual/residual_layer.hpp"

#include <gtest/gtest.h>

#include "residual/knee.hpp"

namespace tessera::residual {
namespace {

// One channel of three outputs, 4 bits: codes 1, 8 and 15 are -7, 0 and 7 steps.
TEST(ResidualLayer, DecodesByHand) {
  ResidualLayer layer;
  layer.out_features = 3;
  layer.in_features = 1;
  layer.bits = 4;
  layer.codes = Matrix<std::uint8_t>(1, 3);
  layer.codes(0, 0) = 1;
  layer.codes(0, 1) = 8;
  layer.codes(0, 2) = 15;
  layer.scale = {0.5F, 2.0F, 0.25F};
  const Matrix<float> values = dequantize(layer);
  EXPECT_EQ(values(0, 0), -3.5F);
  EXPECT_EQ(values(1, 0), 0.0F);
  EXPECT_EQ(values(2, 0), 1.75F);
  EXPECT_EQ(bytes_per_channel(layer), 2U) << "12 bits";
}

// RTX 4050M: 192 and 16 GB/s; 1024 / 12 * 3 / 4 = 64, where DecDEC's tuner found 55 to 70.
TEST(Knee, IsDecDecsModel) {
  for (const GpuProfile& gpu : known_gpus()) {
    if (gpu.name != "RTX 4050 Laptop") continue;
    EXPECT_NEAR(predicted_knee(gpu, 3), 64.0, 1e-9);
    return;
  }
  FAIL() << "the 4050 is one of them";
}

}  // namespace
}  // namespace tessera::residual
