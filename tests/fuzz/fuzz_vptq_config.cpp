// The quantization_config of a packed model's config.json.
#include <string_view>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/vptq_layer_config.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto config = JsonValue::parse({reinterpret_cast<const char*>(data), size}, "input");
    static_cast<void>(format::quant_method_of(config, "input"));
    const auto layers = format::read_layer_configs(config, "input");
    for (const auto& [name, layer] : layers.layers) require(layers.find(name) != nullptr, "found");
  } catch (const InputError&) {
  }
  return 0;
}
