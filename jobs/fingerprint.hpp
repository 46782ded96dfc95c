#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/json_value.hpp"

namespace tessera::jobs {

/// What decides whether stored work fits a job: every setting that can change a byte of the result,
/// and digests of what the settings name (model files, tokenizer, tokens), never names or times.
class Fingerprint {
 public:
  /// @p key as the user knows it: "quantize.vptq.vector_len", "the content of config.json"
  void add(const std::string& key, const std::string& value) { parts_[key] = value; }
  const std::map<std::string, std::string>& parts() const { return parts_; }

  /// 64 hexadecimal digits over all parts.
  std::string id() const;

  /// One sentence's part a key that differs between this (the job) and @p stored (the run).
  std::vector<std::string> differences_from(const Fingerprint& stored) const;

  JsonValue to_json() const;
  static Fingerprint from_json(const JsonValue& object);

  bool operator==(const Fingerprint&) const = default;

 private:
  std::map<std::string, std::string> parts_;
};

}  // namespace tessera::jobs
