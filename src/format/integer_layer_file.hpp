#pragma once
#include <string>
#include <vector>

#include "format/integer_file_config.hpp"
#include "model/architecture.hpp"
#include "model/safetensors_file.hpp"

namespace tessera::format {

/// The tensor that makes a layer a packed one, as ".qweight".
std::string_view marker_of(IntegerFileConfig::Layout layout);

/// One layer of integers as it lies in a folder's files (integer_tensors.hpp lists the tensors).
class IntegerLayerFile {
 public:
  /// Checks that every tensor is there with the right type and shape, and what is small: the shape
  /// stored beside packed weights, the input's scale and zero point.
  IntegerLayerFile(const model::SafetensorsFolder& files, const model::LinearLayer& layer,
                   const IntegerFileConfig& config);

  /// Reads and checks the contents. @p files is the folder given before.
  solver::IntegerLayer unpack(const model::SafetensorsFolder& files) const;

  const solver::IntegerLayer& sizes() const { return sizes_; }
  bool has_bias() const { return sizes_.has_bias; }
  const std::vector<std::string>& tensors() const { return tensors_; }  ///< without the bias

 private:
  using Shape = std::vector<std::size_t>;
  std::string name_of_part(const char* part) const { return name_ + "." + part; }
  [[noreturn]] void fail(const model::SafetensorsFolder& files, const char* part,
                         const std::string& problem) const;
  DType expect_float(const model::SafetensorsFolder& files, const char* part, const Shape& shape);
  void expect(const model::SafetensorsFolder& files, const char* part, DType type,
              const Shape& shape);
  void expect_int_quantized(const model::SafetensorsFolder& files);
  void expect_pack_quantized(const model::SafetensorsFolder& files);
  void expect_gptq(const model::SafetensorsFolder& files);
  void read_input(const model::SafetensorsFolder& files);

  std::string name_;
  IntegerFileConfig::Layout layout_;
  bool has_whole_zero_points_;
  bool input_is_symmetric_;
  solver::IntegerLayer sizes_;
  std::vector<std::string> tensors_;
};

}  // namespace tessera::format
