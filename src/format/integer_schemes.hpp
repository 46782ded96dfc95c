#pragma once
#include <span>
#include <string>
#include <vector>

#include "format/format_text.hpp"
#include "format/integer_sizes.hpp"

// Models whose layers differ in bits and groups: compressed-tensors holds several schemes, each
// naming its layers; GPTQ as it is written here one.
namespace tessera::format {

struct SchemeGroup {
  IntegerScheme scheme;
  std::vector<std::string> layers;  ///< sorted
};

/// The layers of @p sizes by scheme, those of fewer bits and shorter groups first (one scale a row
/// last); one group where all have common_scheme. Throws InputError as common_scheme does for GPTQ,
/// for a layer that has problems, and where layers differ in more than bits and groups.
/// @pre sizes is not empty
std::vector<SchemeGroup> schemes_of(const IntegerSizes& sizes, IntegerFormat format);

/// How a model of these schemes presents itself in its card.
FormatText integer_text(IntegerFormat format, std::span<const SchemeGroup> groups);

}  // namespace tessera::format
