#include "model/attention_window.hpp"

#include <algorithm>
#include <string>

#include <fmt/core.h>

#include "model/quoted_name.hpp"

namespace tessera::model {
namespace {

constexpr std::size_t kMaxBlocks = std::size_t{1} << 31;
constexpr std::size_t kMaxPositions = std::size_t{1} << 31;

/// The first of the blocks with a window, as max_window_layers says in the families that have a
/// switch.
std::size_t first_windowed_block(const ConfigFields& fields, const Architecture& row) {
  constexpr std::size_t kDefault = 28;  // of both Qwen classes
  if (row.window == Architecture::Window::by_value) return 0;
  if (!fields.has("max_window_layers")) return kDefault;
  if (fields.at("max_window_layers").to_text() == "0") return 0;
  return fields.size("max_window_layers", kMaxBlocks);
}

/// How many of the blocks look at a window only; layer_types, where given, has the last word.
std::size_t num_windowed_blocks(const ConfigFields& fields, const Architecture& row,
                                std::size_t num_blocks) {
  if (!fields.has("layer_types")) {
    return num_blocks - std::min(num_blocks, first_windowed_block(fields, row));
  }
  const JsonValue& types = fields.at("layer_types");
  if (!types.is_list() || types.items().size() != num_blocks) {
    fields.fail(
        "layer_types",
        fmt::format("is not a list of {} names, one for each of num_hidden_layers", num_blocks));
  }
  std::size_t count = 0;
  for (const JsonValue& type : types.items()) {
    const std::string name = type.is_text() ? type.text() : type.to_text();
    if (name != "full_attention" && name != "sliding_attention") {
      fields.fail("layer_types", fmt::format("holds {} (this program knows full_attention and "
                                             "sliding_attention)",
                                             quote_name(name)));
    }
    if (name == "sliding_attention") ++count;
  }
  return count;
}

}  // namespace

std::optional<std::size_t> read_attention_window(const ConfigFields& fields,
                                                 const Architecture& row, std::size_t num_blocks) {
  if (row.window == Architecture::Window::never) return std::nullopt;
  if (row.window == Architecture::Window::by_switch &&
      !fields.flag_or("use_sliding_window", false)) {
    return std::nullopt;
  }
  const bool has_window = fields.has("sliding_window") || row.default_window != 0;
  if (!has_window || fields.is_null("sliding_window")) return std::nullopt;
  const std::size_t window = fields.size_or("sliding_window", kMaxPositions, row.default_window);
  const std::size_t windowed = num_windowed_blocks(fields, row, num_blocks);
  if (windowed != 0 && windowed != num_blocks) {
    fields.fail("sliding_window",
                fmt::format("applies to {} of {} blocks only (this program knows all or "
                            "none)",
                            windowed, num_blocks));
  }
  if (windowed == 0) return std::nullopt;
  return window;
}

}  // namespace tessera::model
