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

/// A tensor of the weight or residual files as it was when the folder was made.
struct TensorRecord {
  std::string form;    ///< type and shape: "F16 [576, 1536]"
  std::string sha256;  ///< of its bytes; empty: not known yet
};

struct Manifest {
  std::map<std::string, std::string> versions;  ///< "tessera", "fmt", "onednn", "compiler", ...
  std::map<std::string, std::string>
      inputs;       ///< digests by what they are of: "model/config.json", "tokenizer", "job"
  std::string job;  ///< as understood: YAML
  JsonValue scores = JsonValue::object();       ///< perplexities, bits per weight; free in form
  std::map<std::string, FileRecord> files;      ///< by name within the folder
  JsonValue config;                             ///< config.json as it was meant; null: not recorded
  std::map<std::string, TensorRecord> tensors;  ///< all of them; empty: not recorded
  std::map<std::string, std::string> degraded;  ///< layers that failed at first, and what was done
};

/// Every file in @p folder and below, sorted, the manifest itself left out.
std::vector<std::string> files_below(const std::filesystem::path& folder);

/// Size and digest of a file as it lies there.
FileRecord record_of(const std::filesystem::path& file);

/// The text of tessera_manifest.json.
std::string manifest_text(const Manifest& manifest);

/// Writes <folder>/tessera_manifest.json; equal manifests give equal bytes.
void write_manifest(const std::filesystem::path& folder, const Manifest& manifest);

/// Throws InputError naming the file and what is wrong with it: missing, not JSON, a missing key, a
/// file name that leaves the folder, a digest that is none. Manifests of version 1 have neither
/// tensors nor config.
Manifest read_manifest(const std::filesystem::path& folder);

/// What is wrong with one file of the folder, in one sentence: missing, shorter, longer or changed.
/// Empty: nothing.
std::string file_problem(const std::filesystem::path& folder, const std::string& name,
                         const FileRecord& record);

}  // namespace tessera::format
