#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/tensor_source.hpp"

namespace tessera::model {

/// One memory-mapped .safetensors file. The header is checked completely before anything is read: lengths against the file's size,
/// offsets against lengths, shapes against offsets, no overlaps, no holes, known types, limits on counts.
/// Every failure is an InputError with file, tensor and offset.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::filesystem::path& file);
  ~SafetensorsFile();
  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;

  struct Entry {
    TensorInfo info;
    std::size_t offset = 0;  ///< from the start of the file
    std::size_t bytes = 0;
  };
  const std::filesystem::path& path() const;
  const std::map<std::string, Entry, std::less<>>& entries() const;
  const std::map<std::string, std::string>& metadata() const;
  std::span<const std::byte> bytes(std::string_view name) const;

 private:
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
};

/// A model folder's weights: model.safetensors, or the shards that model.safetensors.index.json lists (names without path parts only).
class SafetensorsFolder final : public TensorSource {
 public:
  explicit SafetensorsFolder(const std::filesystem::path& folder);

  bool contains(std::string_view name) const override;
  TensorInfo info(std::string_view name) const override;
  void read(std::string_view name, std::span<float> out) const override;
  std::string origin() const override;

  /// The stored bytes, for tensors that are copied as they are.
  std::span<const std::byte> bytes(std::string_view name) const;
  std::vector<std::string> names() const;  ///< sorted
  const std::vector<SafetensorsFile>& files() const { return files_; }

 private:
  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t, std::less<>> file_of_;
};

}  // namespace tessera::model
