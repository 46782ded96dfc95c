#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/json_value.hpp"
#include "model/model_config.hpp"

// What config.json of a packed model has in common over all formats.
namespace tessera::format {

/// <folder>/config.json as it stands.
JsonValue read_config_json(const std::filesystem::path& folder);

/// The original's keys in their order but its type, then `torch_dtype` as stored. (Newer
/// transformers call it dtype; older readers know the old name only.)
JsonValue config_of_packed(const model::ModelConfig& original, StoredType stored_type);

/// {out_features, in_features} of packed layers by name.
using PackedShapes = std::map<std::string, std::array<std::uint64_t, 2>>;

/// The linear layers of the blocks that are not packed, in the model's order. Throws InputError
/// when a packed layer is none of the model's, or has another shape there.
std::vector<std::string> layers_left_alone(const model::ModelConfig& original,
                                           const PackedShapes& packed);

}  // namespace tessera::format
