#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "format/residual_info.hpp"
#include "format/residual_tensors.hpp"
#include "model/model_config.hpp"
#include "model/safetensors_file.hpp"
#include "residual/residual_source.hpp"

namespace tessera::format {

/// Whether @p path is a file of residuals or the index of several, or a folder that holds either.
/// A shard alone is none.
bool holds_residuals(const std::filesystem::path& path);

/// A residual file read back, by code that shares names and sizes but no packing with the writer;
/// one layer in memory at a time, nothing kept.
///
/// Opening checks the header, and the name, type and shape of every tensor; reading a layer checks
/// its contents. The norms may be missing (they are computed from the codes then), and so may the
/// static order (it is left empty). Every failure is an InputError with file, tensor and value.
class ResidualFile final : public residual::ResidualSource {
 public:
  /// @param path the file, the index of several, or the folder that holds either
  explicit ResidualFile(const std::filesystem::path& path);

  const ResidualInfo& info() const { return info_; }
  std::vector<std::string> layers() const;  ///< sorted
  /// @pre contains(layer)
  const ResidualSizes& sizes(std::string_view layer) const;
  std::size_t num_tensors() const { return files_.names().size(); }
  std::uint64_t num_bytes() const;  ///< of all tensors

  std::uint64_t bits() const override { return info_.bits; }
  bool contains(std::string_view layer) const override { return layers_.contains(layer); }
  /// Codes are never 0, scales and norms finite and not negative, largest magnitudes moreover not
  /// rising, the static order a permutation of the channels.
  residual::ResidualLayer read(std::string_view layer) const override;

  /// Throws InputError when the residuals are not those of the packed model in @p base, or a layer
  /// has no counterpart in its blocks, or one of another shape. Reads all weights there.
  void require_base(const std::filesystem::path& base, const model::ModelConfig& config) const;

 private:
  void find_layers();
  void check_tensors(const std::string& layer);
  void check_budget() const;

  std::filesystem::path path_;
  model::SafetensorsFolder files_;
  ResidualInfo info_;
  std::map<std::string, ResidualSizes, std::less<>> layers_;
};

}  // namespace tessera::format
