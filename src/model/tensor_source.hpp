#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.hpp"
#include "core/input_quantization.hpp"
#include "core/matrix.hpp"
#include "core/threads.hpp"

namespace tessera::model {

struct TensorInfo {
  DType dtype = DType::f32;
  std::vector<std::size_t> shape;
  std::size_t count() const;    ///< number of elements
  std::string to_text() const;  ///< "F16 [576, 1536]"
};

/// Tensors by name, from a plain model folder or from a packed one that dequantizes as it is read.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  virtual bool contains(std::string_view name) const = 0;
  /// Throws InputError naming the tensor and where it was looked for.
  virtual TensorInfo info(std::string_view name) const = 0;
  virtual void read(std::string_view name, std::span<float> out) const = 0;
  /// Rows of a matrix only. Reads all of it where a source has no other way: a layer that is
  /// dequantized; files are read as far as asked for.
  /// @pre out.size() == rows.size() * the matrix's columns
  virtual void read_rows(std::string_view name, Tile rows, std::span<float> out) const;
  /// How an engine quantizes the input of a linear layer ("model.layers.0.mlp.up_proj"); nothing
  /// where it does not.
  virtual std::optional<InputQuantization> input_quantization(std::string_view) const {
    return std::nullopt;
  }
  /// For messages: the folder.
  virtual std::string origin() const = 0;

  /// Reads a tensor of exactly this shape; throws InputError when it has another, or holds NaN or
  /// infinity (with the position).
  Matrix<float> read_matrix(std::string_view name, std::size_t rows, std::size_t cols) const;
  std::vector<float> read_vector(std::string_view name, std::size_t size) const;
  /// Rows @p wanted of a matrix of this shape, (wanted.size(), cols), checked as by read_matrix; of
  /// the other rows nothing is known.
  Matrix<float> read_matrix_rows(std::string_view name, std::size_t rows, std::size_t cols,
                                 Tile wanted) const;
};

/// Index of the first value that is NaN or infinite; values.size() when there is none.
std::size_t first_not_finite(std::span<const float> values);

}  // namespace tessera::model
