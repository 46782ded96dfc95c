#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "solver/integer/integer_layer.hpp"

// What can be said of layers of integers from their sizes alone (docs/formats.md).
namespace tessera::format {

enum class IntegerFormat { compressed_tensors, gptq };

/// Layers by module path, without their arrays.
using IntegerSizes = std::map<std::string, solver::IntegerLayer>;

/// Why the format, or the engines known to read it, cannot hold such a layer; each a sentence with
/// what to change. Empty: fine.
std::vector<std::string> integer_format_problems(const solver::IntegerLayer& sizes,
                                                 IntegerFormat format);

/// True when GPTQ's zero points are stored as they are (checkpoint_format gptq_v2), false when
/// less one (gptq): engines go wrong on some widths in either form (docs/formats.md).
bool stores_whole_zero_points(std::uint64_t bits, bool is_symmetric);

/// What all layers of a model have in common: config.json says it once for all.
struct IntegerScheme {
  std::uint64_t bits = 0;
  std::uint64_t group_size = 0;  ///< 0: one scale a row, however long
  bool is_symmetric = true;
  StoredType scale_type = StoredType::float16;
  std::optional<InputQuantization> input = {};  ///< scale and zero point are each layer's own
  bool input_is_symmetric = true;               ///< no layer's input has a zero point
};

/// The scheme of @p sizes. Throws InputError with the problems of a layer that has any, or naming
/// two layers that differ.
/// @pre sizes is not empty
IntegerScheme common_scheme(const IntegerSizes& sizes, IntegerFormat format);

}  // namespace tessera::format
