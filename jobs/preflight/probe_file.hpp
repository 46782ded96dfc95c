#pragma once
#include <filesystem>
#include <string>
#include <system_error>

namespace tessera::jobs {

/// @p folder, or the nearest folder above it that exists: where a run could make it. Throws
/// InputError when that is no folder.
std::filesystem::path existing_folder(const std::filesystem::path& folder);

/// A file of a preflight's own, gone when this is: "FOLDER/.tessera-preflight-NAME".
class ProbeFile {
 public:
  ProbeFile(const std::filesystem::path& folder, const std::string& name)
      : path_(existing_folder(folder) / (".tessera-preflight-" + name)) {}
  ~ProbeFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ProbeFile(const ProbeFile&) = delete;
  ProbeFile& operator=(const ProbeFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// What a rename leaves is removed in its place.
  void rename_to(const std::filesystem::path& other) {
    std::filesystem::rename(path_, other);
    path_ = other;
  }

 private:
  std::filesystem::path path_;
};

}  // namespace tessera::jobs
