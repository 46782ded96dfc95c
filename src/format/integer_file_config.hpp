#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>

#include "core/json_value.hpp"
#include "format/integer_sizes.hpp"

// What a reader finds in quantization_config of a model of integers (docs/formats.md).
namespace tessera::format {

struct IntegerFileConfig {
  enum class Layout { int_quantized, pack_quantized, gptq };

  Layout layout = Layout::gptq;
  IntegerScheme scheme;  ///< scale_type is in the files, not here
  /// Of layers that are named, where the file has several schemes; then all packed layers are.
  std::map<std::string, IntegerScheme, std::less<>> scheme_of;
  bool has_whole_zero_points = true;  ///< gptq_v2; else they are stored less one
  /// Layers said to be left alone by their whole names.
  std::set<std::string, std::less<>> left_alone;
  /// Others may be left alone too, by patterns or classes that this program does not interpret:
  /// then the tensors decide.
  bool has_patterns = false;
};

/// Reads quantization_config of a whole config.json. Throws InputError naming @p origin, key, value
/// and what can be read: one group of Linear layers or several of layers that each names, none
/// twice, with weights alone quantized; whole groups of columns in their natural order, no other
/// transformations.
IntegerFileConfig read_integer_config(const JsonValue& config, const std::string& origin);

}  // namespace tessera::format
