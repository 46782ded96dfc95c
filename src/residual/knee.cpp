#include "residual/knee.hpp"

#include "residual/residual_layer.hpp"

namespace tessera::residual {

std::span<const GpuProfile> known_gpus() {
  static constexpr GpuProfile kGpus[] = {{"RTX 4090", 1008, 32},       {"RTX 4080 Super", 736, 32},
                                         {"RTX 4070 Super", 504, 32},  {"RTX 4070 Laptop", 256, 16},
                                         {"RTX 4050 Laptop", 192, 16}, {"A100 80GB PCIe", 1935, 32},
                                         {"H100 SXM", 3350, 64}};
  return kGpus;
}

double predicted_knee(const GpuProfile& gpu, double base_bits) {
  return static_cast<double>(kChunk) * gpu.pcie_gb_per_second / gpu.memory_gb_per_second *
         base_bits / 4;
}

}  // namespace tessera::residual
