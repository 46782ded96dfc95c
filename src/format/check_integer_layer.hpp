#pragma once
#include <string>

#include "format/integer_sizes.hpp"

namespace tessera::format {

/// What a writer may rely on: @p layer has the sizes that were announced, arrays that fit them,
/// codes and zero points within their bits, scales that are positive and of their type, a finite
/// bias. Throws Bug with the layer's name, the place and the value.
void check_integer_layer(const std::string& name, const solver::IntegerLayer& layer,
                         const solver::IntegerLayer& announced, IntegerFormat format);

}  // namespace tessera::format
