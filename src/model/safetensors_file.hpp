#pragma once
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/mapped_file.hpp"
#include "model/safetensors_header.hpp"
#include "model/safetensors_index.hpp"
#include "model/tensor_source.hpp"

namespace tessera::model {

/// One memory-mapped .safetensors file. The header is checked completely before anything is read:
/// lengths against the file's size, offsets against lengths, shapes against offsets, no overlaps,
/// no holes, known keys, limits on counts. Every failure is an InputError with file, tensor and
/// offset.
///
/// The file must not be shortened while it is open (the system ends a process that reads mapped
/// bytes that are gone). Everything is const and may be called from several threads.
class SafetensorsFile {
 public:
  using Entry = SafetensorsEntry;

  explicit SafetensorsFile(const std::filesystem::path& file);

  const std::filesystem::path& path() const { return mapping_.path(); }
  /// The readable tensors: those of a type this program knows.
  const std::map<std::string, Entry, std::less<>>& entries() const { return header_.entries; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  /// Every tensor's name, readable or not, sorted.
  std::vector<std::string> names() const;
  /// Readable or not.
  bool contains(std::string_view name) const;

  /// Throws InputError when there is no such tensor, or when its type is not known.
  const Entry& entry(std::string_view name) const;
  std::span<const std::byte> bytes(std::string_view name) const;

  /// Converts a floating tensor. Its pages are released as they are read, so that memory holds one
  /// piece of the file at a time. @pre out.size() == entry(name).info.count()
  void read(std::string_view name, std::span<float> out) const;
  /// The same for rows of a matrix. @pre out.size() == rows.size() * entry(name).info.shape[1]
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const;
  /// Copies the stored bytes, releasing pages likewise. @pre out.size() == entry(name).bytes
  void read_bytes(std::string_view name, std::span<std::byte> out) const;

 private:
  /// Elements from @p first on. @pre there are as many as @p out has places
  void read_elements(std::string_view name, std::size_t first, std::span<float> out) const;

  MappedFile mapping_;
  SafetensorsHeader header_;
};

/// A model folder's weights: model.safetensors, or the shards that model.safetensors.index.json
/// lists (names without path parts only), or those of another stem. Every shard is opened and
/// checked, against the index too, at once.
class SafetensorsFolder final : public TensorSource {
 public:
  explicit SafetensorsFolder(const std::filesystem::path& folder,
                             std::string_view stem = kModelStem);

  bool contains(std::string_view name) const override;
  TensorInfo info(std::string_view name) const override;
  void read(std::string_view name, std::span<float> out) const override;
  void read_rows(std::string_view name, Tile rows, std::span<float> out) const override;
  std::string origin() const override;

  /// The stored bytes, for tensors that are copied as they are. read_bytes is kinder to memory.
  std::span<const std::byte> bytes(std::string_view name) const;
  void read_bytes(std::string_view name, std::span<std::byte> out) const;
  std::vector<std::string> names() const;  ///< sorted
  const std::vector<SafetensorsFile>& files() const { return files_; }

 private:
  void open_shards(const std::filesystem::path& index_file);
  const SafetensorsFile& file_with(std::string_view name) const;

  std::filesystem::path folder_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t, std::less<>> file_of_;
};

}  // namespace tessera::model
