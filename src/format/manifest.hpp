#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/json_value.hpp"

// tessera_manifest.json: what an output folder consists of and where it came from. It is the last
// file written, so its presence means that the folder is complete.
namespace tessera::format {

inline constexpr const char* kManifestName = "tessera_manifest.json";

struct FileRecord {
  std::uint64_t bytes = 0;
  std::string sha256;  ///< 64 hexadecimal digits, as sha256sum prints them
};

struct Manifest {
  std::map<std::string, std::string> versions;  ///< "tessera", "fmt", "onednn", "compiler", ...
  std::map<std::string, std::string>
      inputs;       ///< digests by what they are of: "model", "tokens", "tokenizer", "job"
  std::string job;  ///< as understood: YAML
  JsonValue scores = JsonValue::object();   ///< perplexities, bits per weight; free in form
  std::map<std::string, FileRecord> files;  ///< by name within the folder
};

/// Size and digest of every file in @p folder (and below), the manifest itself left out.
std::map<std::string, FileRecord> record_files(const std::filesystem::path& folder);

/// The text of tessera_manifest.json.
std::string manifest_text(const Manifest& manifest);

/// Writes <folder>/tessera_manifest.json; equal manifests give equal bytes.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

/// Throws InputError naming the file and what is wrong with it: missing, not JSON, a missing key, a
/// file name that leaves the folder, a digest that is none.
Manifest read_manifest(const std::filesystem::path& folder);

/// Compares the folder with its manifest; each difference a sentence: a file that is missing,
/// shorter, longer or changed, and weights
/// (.safetensors) that the manifest does not list. Empty: sound. Other files a user put there are
/// none of its business.
std::vector<std::string> verify_files(const std::filesystem::path& folder,
                                      const Manifest& manifest);

}  // namespace tessera::format
