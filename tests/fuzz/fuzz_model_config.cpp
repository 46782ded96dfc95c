// A config.json; sizes that are accepted can be computed with.
#include <algorithm>
#include <string>

#include "core/error.hpp"
#include "model/architecture.hpp"
#include "model/model_config.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    auto config =
        model::parse_model_config(std::string(reinterpret_cast<const char*>(data), size), "input");
    const bool is_rotary = config.positions == model::Positions::rotary;
    require(!is_rotary || config.head_dim % 2 == 0, "pairs are rotated");
    require(config.num_heads % config.num_kv_heads == 0, "heads fit");
    config.num_blocks = std::min<std::size_t>(config.num_blocks, 2);  // all are alike
    for (const auto& tensor : model::expected_tensors(config)) {
      std::size_t count = 1;
      for (const std::size_t extent : tensor.shape) {
        require(!__builtin_mul_overflow(count, extent, &count), "a tensor's size can be computed");
      }
      require(count > 0, "no tensor is empty");
    }
  } catch (const InputError&) {
  }
  return 0;
}
