#pragma once
#include <functional>
#include <string>
#include <vector>

#include "format/vptq_sizes.hpp"
#include "model/safetensors_writer.hpp"

// The tensors of a packed layer (vptq.md 3.2). With M outputs, N inputs, G groups, b bits an index:
//
//     centroids.weight           stored type  [G, K * v]
//     indices                    I32          [G, ceil(M / v), ceil(group_size * b / 32)]
//     res_centroids.weight       stored type  [G, Kr * v]                 with a residual codebook
//     outlier_centroids.weight   stored type  [1, K0 * v0]                with outliers
//     outlier_indices            I16          [1, ceil(M / v0), outlier_size]   with outliers; 16
//     bits each perm                       I16          [N]                         unless
//     absorbed; unsigned 16 bits weight_scale, weight_bias  stored type  [N] always; 1 and 0 when
//     the layer has none
namespace tessera::format {

/// Gives a layer with all its arrays when its turn to be written comes.
using LoadLayer = std::function<solver::VptqLayer(const std::string& layer)>;

/// The tensors that replace "<layer>.weight". The layer is loaded when the first of them is filled
/// and kept until a tensor of another layer is: filled in order, each layer is loaded once and one
/// is in memory. Not for several threads. Throws InputError when the format cannot hold the layer
/// (format_problems), Bug when @p load gives other sizes or numbers that are not finite.
std::vector<model::TensorToWrite> vptq_tensors(const std::string& layer,
                                               const solver::VptqLayer& sizes,
                                               const LoadLayer& load,
                                               Permutation permutation = Permutation::absorbed);

/// The same for several layers that share the one place in memory.
std::map<std::string, std::vector<model::TensorToWrite>> vptq_tensors(
    const LayerSizes& sizes, const LoadLayer& load,
    Permutation permutation = Permutation::absorbed);

}  // namespace tessera::format
