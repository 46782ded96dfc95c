#include "tests/format/random_residual.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "core/dtype.hpp"
#include "core/random.hpp"

namespace tessera::test {

residual::ResidualLayer random_residual(std::uint64_t out_features, std::uint64_t in_features,
                                        std::uint64_t bits, std::uint64_t seed) {
  const auto random = [&](const char* purpose) {
    return CounterRandom(seed, "random_residual", purpose);
  };
  residual::ResidualLayer layer;
  layer.out_features = out_features;
  layer.in_features = in_features;
  layer.bits = bits;
  layer.codes = Matrix<std::uint8_t>(in_features, out_features);
  const std::uint64_t num_codes = (std::uint64_t{1} << bits) - 1;
  for (std::size_t e = 0; e < layer.codes.size(); ++e) {
    layer.codes.span()[e] = static_cast<std::uint8_t>(1 + random("codes").below(e, num_codes));
  }
  for (std::size_t i = 0; i < out_features; ++i) {
    const auto size = static_cast<float>(std::fabs(random("scale").normal(i)));
    layer.scale.push_back(i == 0 ? 0.0F : rounded_to(StoredType::float16, 0.01F * size));
  }
  for (std::size_t j = 0; j < in_features; ++j) {
    layer.top_magnitude.push_back(static_cast<float>(std::fabs(random("top").normal(j))));
    double squares = 0;
    for (std::size_t i = 0; i < out_features; ++i) {
      const double value =
          static_cast<double>(layer.scale[i]) * (layer.codes(j, i) - layer.zero_code());
      squares += value * value;
    }
    layer.column_norm.push_back(
        rounded_to(StoredType::float16, static_cast<float>(std::sqrt(squares))));
  }
  std::ranges::sort(layer.top_magnitude, std::greater<>());
  layer.static_order.resize(in_features);
  std::iota(layer.static_order.begin(), layer.static_order.end(), 0U);
  std::ranges::sort(layer.static_order, {},
                    [&](std::uint32_t channel) { return random("order").bits(channel); });
  return layer;
}

format::ResidualInfo residual_info(std::uint64_t bits) {
  return {.bits = bits,
          .base_method = "vptq",
          .base_digest = std::string(64, 'a'),
          .calibration = "64 samples of 512 tokens, 32768 tokens, seed 0, 0123",
          .k_chunk = 16,
          .budget = "",
          .k_chunk_of = {}};
}

void write_residuals(const std::filesystem::path& folder, const Residuals& residuals,
                     const format::ResidualInfo& info, std::size_t max_shard_bytes) {
  std::filesystem::create_directories(folder);
  std::map<std::string, format::ResidualSizes> sizes;
  for (const auto& [layer, r] : residuals) sizes[layer] = {r.out_features, r.in_features, r.bits};
  const auto load = [&](const std::string& layer) {
    const residual::ResidualLayer& r = residuals.at(layer);
    return residual::ResidualLayer{.out_features = r.out_features,
                                   .in_features = r.in_features,
                                   .bits = r.bits,
                                   .codes = r.codes.copy(),
                                   .scale = r.scale,
                                   .top_magnitude = r.top_magnitude,
                                   .column_norm = r.column_norm,
                                   .static_order = r.static_order};
  };
  const auto tensors = format::residual_tensors(sizes, load);
  const auto files = model::plan_files(tensors, max_shard_bytes, format::kResidualStem);
  for (std::size_t s = 0; s < files.names.size(); ++s) {
    model::write_safetensors_file(folder / files.names[s], tensors, files.members[s],
                                  format::metadata_of(info));
  }
  model::write_index(folder, tensors, files, format::kResidualStem);
}

void expect_same(const residual::ResidualLayer& found, const residual::ResidualLayer& wanted) {
  EXPECT_EQ(found.out_features, wanted.out_features);
  EXPECT_EQ(found.in_features, wanted.in_features);
  EXPECT_EQ(found.bits, wanted.bits);
  ASSERT_EQ(found.codes.rows(), wanted.codes.rows());
  EXPECT_TRUE(std::ranges::equal(found.codes.span(), wanted.codes.span()));
  EXPECT_EQ(found.scale, wanted.scale);
  EXPECT_EQ(found.top_magnitude, wanted.top_magnitude);
  EXPECT_EQ(found.column_norm, wanted.column_norm);
  EXPECT_EQ(found.static_order, wanted.static_order);
}

}  // namespace tessera::test
