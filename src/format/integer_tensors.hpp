#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "format/integer_sizes.hpp"
#include "model/safetensors_writer.hpp"

// The tensors of a layer of integers (docs/formats.md). With M outputs, N inputs, G groups, b bits,
// q a code and z a zero point, words(n) = ceil(n b / 32):
//
//     compressed-tensors, inputs quantized (int-quantized)
//         weight             I8           [M, N]         q - 128
//         weight_scale       scale type   [M, 1]
//         input_scale        scale type   [1]            static inputs
//         input_zero_point   I8           [1]            static inputs, where the model has any
//     compressed-tensors, inputs as they are (pack-quantized)
//         weight_packed      I32          [M, words(N)]  q, along the row
//         weight_scale       scale type   [M, G]
//         weight_shape       I64          [2]            M, N
//     gptq
//         qweight            I32          [words(N), M]  q, along the inputs
//         qzeros             I32          [G, words(M)]  z - 1, or z (stores_whole_zero_points)
//         scales             F16          [G, M]
//         g_idx              I32          [N]            j / group_size
//     all, with a bias
//         bias               scale type   [M]
//
// Words hold one stream of bits, lowest first; the last is filled up with zeros.
namespace tessera::format {

/// Gives a layer with all its arrays when its turn to be written comes.
using LoadIntegerLayer = std::function<solver::IntegerLayer(const std::string& layer)>;

/// What replaces "<layer>.weight" (and "<layer>.bias" where has_bias), for all layers. A layer is
/// loaded when the first of its tensors is filled and kept until a tensor of another layer is:
/// filled in order, each layer is loaded once and one is in memory. Not for several threads. Throws
/// InputError as common_scheme does; Bug, naming the layer, when @p load gives other sizes or what
/// a layer cannot hold: codes beyond their bits, scales that are not positive or not of their type,
/// a zero point of 0 where one less is stored.
std::map<std::string, std::vector<model::TensorToWrite>> integer_tensors(
    const IntegerSizes& sizes, const LoadIntegerLayer& load, IntegerFormat format);

}  // namespace tessera::format
