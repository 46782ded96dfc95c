// Any JSON document; whatever is accepted survives the round trip.
#include <string_view>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto value = JsonValue::parse({reinterpret_cast<const char*>(data), size}, "input");
    const std::string text = value.to_text();
    require(JsonValue::parse(text, "own").to_text() == text, "a document survives the round trip");
  } catch (const InputError&) {
  }
  return 0;
}
