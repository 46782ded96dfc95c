#pragma once
#include <span>
#include <string_view>

namespace tessera::residual {

/// What decides how much a device can fetch beside its own products.
struct GpuProfile {
  std::string_view name;
  double memory_gb_per_second, pcie_gb_per_second;
};

/// The devices of DecDEC's Table 3 and two of data centres, by their published bandwidths.
std::span<const GpuProfile> known_gpus();

/// DecDEC's model of the k_chunk up to which fetching hides under a product with weights of
/// @p base_bits: 1024 / (memory bandwidth / PCIe bandwidth) * base_bits / 4 (qdec.md section 3). A
/// prediction for residuals of 4 bits; nothing here measures a device.
double predicted_knee(const GpuProfile& gpu, double base_bits);

}  // namespace tessera::residual
