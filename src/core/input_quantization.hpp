#pragma once

namespace tessera {

/// How an engine turns the input of a linear layer into 8-bit integers before it multiplies
/// (aweq.md section 4), for x and its quantized value x^ = scale * (q - zero_point):
///     dynamic: each token has scale = max|x| / levels and zero_point 0
///     static:  scale and zero_point are those of the layer, the same for all tokens
/// q is rounded half to even and clamped to [-128, 127].
struct InputQuantization {
  bool is_dynamic = true;
  float scale = 0;     ///< static only
  int zero_point = 0;  ///< static only, -128 to 127
  float levels =
      127;  ///< dynamic only; vLLM's kernels use 127, compressed-tensors' simulation 127.5

  bool operator==(const InputQuantization&) const = default;
};

}  // namespace tessera
