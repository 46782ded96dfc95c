#pragma once
#include <vector>

#include "core/dtype.hpp"
#include "core/matrix.hpp"
#include "solver/vptq/vptq_settings.hpp"

namespace tessera::solver {

/// The affine map of each input column before clustering: w' = (w - bias) / scale (vptq.md 1.4).
struct ColumnNorm {
  std::vector<float> scale, bias;  ///< (N), values that survive the stored type; scale > 0
  std::size_t num_constant = 0;    ///< columns without spread; their scale is 1
};

/// Column statistics over the outputs, rounded to the stored type. With `none`, 1 and 0.
/// Throws InputError when a bias or scale does not fit the type's range.
ColumnNorm normalize_columns(MatrixView<const float> weight, Normalization kind, StoredType type);

}  // namespace tessera::solver
