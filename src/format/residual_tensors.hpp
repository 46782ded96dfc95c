#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/safetensors_writer.hpp"
#include "residual/residual_layer.hpp"

// The tensors of a layer's residual (qdec.md section 9). With M outputs, N inputs, b bits a code:
//
//     residual_q        I32  [N, M b / 32]  of input channel j, code i at bits i b ... (i + 1) b -
//     1
//                                           of the row, lowest first; codes 1 ... 2^b - 1 stand for
//                                           code - 2^(b-1). At 4 bits DecDEC's own layout
//     residual_scale    F16  [M]            in natural order
//     act_topk_max      F32  [N]            not rising, at most 65504: DecDEC's loader makes halves
//     residual_colnorm  F16  [N]
//     static_order      I32  [N]
namespace tessera::format {

inline constexpr const char* kResidualCodes = ".residual_q";
inline constexpr const char* kResidualScale = ".residual_scale";
inline constexpr const char* kTopMagnitude = ".act_topk_max";
inline constexpr const char* kColumnNorm = ".residual_colnorm";
inline constexpr const char* kStaticOrder = ".static_order";

/// What the name of a residual file begins with, or of its shards and their index.
inline constexpr std::string_view kResidualStem = "decdec_residual";
inline constexpr const char* kResidualFileName = "decdec_residual.safetensors";

struct ResidualSizes {
  std::uint64_t out_features = 0;
  std::uint64_t in_features = 0;
  std::uint64_t bits = 0;
};

/// Gives a layer's residual with all its arrays when its turn to be written comes.
using LoadResidual = std::function<residual::ResidualLayer(const std::string& layer)>;

/// Why the file cannot hold a residual of these sizes, in sentences that say what to do; empty: it
/// can.
std::vector<std::string> residual_problems(const ResidualSizes& sizes);

/// The tensors of all layers, a layer after the other. A layer is loaded when the first of its
/// tensors is filled and kept until a tensor of another is: filled in order, each is loaded once
/// and one is in memory. Not for several threads. Throws InputError where the file cannot hold a
/// layer (residual_problems); filling throws Bug when @p load gives other sizes, an unused code, or
/// numbers that are no scales, norms or magnitudes.
/// @pre all layers have the same bits
std::vector<model::TensorToWrite> residual_tensors(
    const std::map<std::string, ResidualSizes>& layers, const LoadResidual& load);

}  // namespace tessera::format
