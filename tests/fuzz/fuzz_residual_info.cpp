// The texts in a residual file's header, as a JSON object of texts.
#include <map>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/json_value.hpp"
#include "format/residual_info.hpp"
#include "tests/fuzz/fuzz_target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tessera;
  try {
    const auto document = JsonValue::parse({reinterpret_cast<const char*>(data), size}, "input");
    if (!document.is_object()) return 0;
    std::map<std::string, std::string> metadata;
    for (const auto& [key, value] : document.entries()) metadata[key] = value.text();
    const auto info = format::residual_info_from(metadata, "input");
    require(format::residual_info_from(format::metadata_of(info), "again") == info,
            "what was read is written and read again");
  } catch (const InputError&) {
  }
  return 0;
}
