#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace tessera::format {

/// What a residual file says of itself in its header.
struct ResidualInfo {
  std::uint64_t bits = 4;   ///< of a code: 2, 3, 4 or 8
  std::string base_method;  ///< "vptq", "aweq", "gptq", "rtn"
  std::string base_digest;  ///< of the packed weights it completes: base_digest_of
  std::string
      calibration;  ///< one line: "64 samples of 512 tokens, 32768 tokens, seed 0, <digest>"
  std::uint64_t k_chunk = 0;  ///< channels of 1024 the base was solved for; 0: none
  std::string budget;  ///< what k_chunk_of keeps: "bytes_per_token 1000000"; empty: no budget
  std::map<std::string, std::uint64_t> k_chunk_of;  ///< by layer name, with a budget
  bool operator==(const ResidualInfo&) const = default;
};

/// As texts for a safetensors header: residual_version, bits, zero_code, chunk, base_method,
/// base_digest, calibration, k_chunk; with a budget also budget and k_chunk_of (a JSON object).
std::map<std::string, std::string> metadata_of(const ResidualInfo& info);

/// Its inverse. Keys it does not know are passed over. Throws InputError naming @p origin, key and
/// value: a missing key, a version from the future, what is no number or out of range.
ResidualInfo residual_info_from(const std::map<std::string, std::string>& metadata,
                                const std::string& origin);

/// Whether a header is one of a residual file, of whatever version.
bool says_residuals(const std::map<std::string, std::string>& metadata);

/// Digest over the names and SHA-256 of the folder's model*.safetensors, in order of their names.
/// Throws InputError when there are none.
std::string base_digest_of(const std::filesystem::path& folder);
/// The same from the files' digests by name.
std::string base_digest_of(const std::map<std::string, std::string>& digests);

}  // namespace tessera::format
