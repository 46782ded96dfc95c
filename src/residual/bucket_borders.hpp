#pragma once
#include <vector>

#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::residual {

/// The borders of DecDEC's 32 buckets (qdec.md section 2) for every number of channels: element 0
/// is b0, element k - 1 is b15 of k channels; not rising. What overflows a bucket is lost, so
/// buckets have to be fine where tokens are cut, between the k-th largest magnitudes of usual
/// tokens. DecDEC's maxima over all tokens lie far above those. Here
///
///     b0   .95 quantile over the tokens of the (8 n / 1024)-th largest of n magnitudes: larger
///          ones are all chosen, wherever 8 channels of 1024 are
///     b15  .8 quantile of the k-th largest, at most b0: a few tokens are cut in the buckets
///          above, which are then fine, too
///
/// (docs/measurements.md says what they were chosen by.) A quantile is a value of some token.
/// Memory: a copy of the tokens.
/// @param tokens (T, N), inputs of a layer. None: zeros
std::vector<float> bucket_borders(Threads& threads, MatrixView<const float> tokens);

}  // namespace tessera::residual
