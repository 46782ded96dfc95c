#pragma once
#include <map>
#include <string>
#include <vector>

#include "solver/vptq/vptq_layer.hpp"

// What can be said of a packed layer from its sizes alone.
namespace tessera::format {

/// Layers by module path ("model.layers.3.mlp.up_proj"), of which only the sizes are looked at; the
/// large arrays may be empty. `perm` must be there in a layer that has one.
using LayerSizes = std::map<std::string, solver::VptqLayer>;

/// What becomes of a layer's permutation. Absorbed, it costs nothing at run time and more engines
/// load the layer, but the format can absorb it only with one group and without outliers; other
/// layers keep it.
enum class Permutation { absorbed, kept };

/// True when the written layer has a `perm` tensor.
bool writes_permutation(const solver::VptqLayer& sizes, Permutation permutation);

int main_bits(const solver::VptqLayer& sizes);      ///< log2 K
int residual_bits(const solver::VptqLayer& sizes);  ///< log2 Kr, 0 without a residual codebook

/// A copy without the arrays except `perm`: what LayerSizes holds.
solver::VptqLayer sizes_of(const solver::VptqLayer& layer);

/// Why the format cannot hold a layer of these sizes, or why the released package (vptq
/// 0.0.5.post1) would decode it wrongly everywhere; each a sentence with what to change. Empty when
/// it is fine (vptq.md 3.2, 3.4).
std::vector<std::string> format_problems(const solver::VptqLayer& sizes);

/// Why a layer that loads on a CPU would not run on the package's GPU kernels (vptq.md 4.3).
/// @pre format_problems finds none
std::vector<std::string> gpu_problems(const solver::VptqLayer& sizes);

}  // namespace tessera::format
