#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/safetensors_file.hpp"

namespace tessera::jobs {

/// One .safetensors file of an output, by itself.
struct WeightFile {
  std::string name;
  std::optional<model::SafetensorsFile> content;  ///< nothing where its header is damaged
  std::string problem;                            ///< why
};

/// An output folder as it lies on the disk: its files by name, and every .safetensors by its own
/// header. It believes neither index nor manifest, and a damaged file keeps nobody from looking at
/// the others.
class OutputFiles {
 public:
  explicit OutputFiles(std::filesystem::path folder);

  const std::filesystem::path& folder() const { return folder_; }
  const std::vector<std::string>& names() const { return names_; }  ///< sorted; no manifest
  bool has(const std::string& name) const;
  const std::vector<WeightFile>& weights() const { return weights_; }  ///< by name

  /// The weight files of a stem ("model"): the single file, and those numbered.
  std::vector<const WeightFile*> of_stem(std::string_view stem) const;

  /// Every tensor with the files that hold it, in the order of the files.
  const std::map<std::string, std::vector<const WeightFile*>>& tensors() const { return tensors_; }

 private:
  std::filesystem::path folder_;
  std::vector<std::string> names_;
  std::vector<WeightFile> weights_;
  std::map<std::string, std::vector<const WeightFile*>> tensors_;
};

/// Whether @p name is that of the single file of @p stem, or of a shard:
/// "model-00001-of-00003.safetensors".
bool is_of_stem(std::string_view name, std::string_view stem);

}  // namespace tessera::jobs
