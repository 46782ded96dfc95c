#include "model/end_tokens.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <fmt/core.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "core/json_value.hpp"

namespace fs = std::filesystem;

namespace tessera::model {
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;
constexpr const char* kKey = "eos_token_id";

std::uint32_t token_of(const JsonValue& value, const fs::path& file) {
  constexpr auto kLargest = static_cast<double>(std::numeric_limits<std::uint32_t>::max());
  const double number = value.is_number() ? value.number() : -1;
  if (number < 0 || number > kLargest || number != std::floor(number)) {
    throw InputError(
        fmt::format("{}: {} is {} (a token's number, or a list of such, is expected). Correct it.",
                    file.string(), kKey, value.to_text()));
  }
  return static_cast<std::uint32_t>(number);
}

}  // namespace

std::vector<std::uint32_t> read_end_tokens(const fs::path& folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const fs::path file = folder / name;
    if (!fs::exists(file)) continue;
    const JsonValue document =
        JsonValue::parse(read_text_file(file, kMaxConfigBytes), file.string());
    if (!document.is_object() || !document.contains(kKey)) continue;
    const JsonValue& value = document.at(kKey);
    if (value.is_null()) continue;
    if (!value.is_list()) return {token_of(value, file)};
    std::vector<std::uint32_t> tokens;
    for (const JsonValue& item : value.items()) tokens.push_back(token_of(item, file));
    return tokens;
  }
  return {};
}

}  // namespace tessera::model
