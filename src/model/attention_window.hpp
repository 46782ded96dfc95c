#pragma once
#include <cstddef>
#include <optional>

#include "model/architecture.hpp"
#include "model/config_fields.hpp"

namespace tessera::model {

/// The number of tokens a position sees, itself included, or nullopt when it sees all before it:
/// from sliding_window, use_sliding_window, max_window_layers and layer_types, as the family of @p
/// row reads them. A window that only some blocks have is refused.
std::optional<std::size_t> read_attention_window(const ConfigFields& fields,
                                                 const Architecture& row, std::size_t num_blocks);

}  // namespace tessera::model
