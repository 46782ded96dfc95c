#pragma once
// The checkpoint formats of integers with shared scales, compressed-tensors and GPTQ, in one
// include.
#include "format/integer_config.hpp"   // config.json, quantize_config.json
#include "format/integer_folder.hpp"   // the independent reader
#include "format/integer_sizes.hpp"    // what sizes the formats and the engines allow
#include "format/integer_tensors.hpp"  // the tensors of all layers
