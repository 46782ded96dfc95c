// The quantization_config of a compressed-tensors or GPTQ model's config.json.
#include <string_view>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/integer_file_config.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto document = JsonValue::parse({reinterpret_cast<const char*>(data), size}, "input");
    const auto config = format::read_integer_config(document, "input");
    const auto bits = config.scheme.bits;
    require(bits == 2 || bits == 3 || bits == 4 || bits == 8, "a width that can be read");
  } catch (const InputError&) {
  }
  return 0;
}
