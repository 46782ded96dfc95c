#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/json_value.hpp"

namespace tessera::jobs {

inline constexpr const char* kGateFile = "GATE.json";

/// What is wrong with one thing.
struct GateFinding {
  std::string name;     ///< of the tensor, layer, file or key
  std::string problem;  ///< a sentence, with values and limits
  auto operator<=>(const GateFinding&) const = default;
};

/// One question the gate asks, and its answer.
struct GateCheck {
  std::string name;                    ///< "tensors"
  std::size_t num_looked_at = 0;       ///< files, tensors, layers
  std::optional<double> value, limit;  ///< of what is measured: a ratio, nats
  std::vector<GateFinding> findings;   ///< sorted; empty: passed
  std::string not_made;                ///< why it was not; empty: it was

  bool has_passed() const { return findings.empty(); }
};

/// All checks of an output, in the order they were made. GATE.json holds it; it has no times and no
/// folders, so that the same job gives the same bytes.
class Verdict {
 public:
  /// The check of this name, begun where it was not.
  GateCheck& check(const std::string& name);
  const std::vector<GateCheck>& checks() const { return checks_; }
  void add(const std::string& check, const std::string& name, std::string problem);

  bool has_passed() const;
  std::vector<std::string> sentences() const;  ///< every finding's
  std::size_t num_looked_at(const std::string& check) const;

  /// Adds what another rank found in its share.
  void merge(const Verdict& other);

 private:
  std::vector<GateCheck> checks_;
};

/// {"gate_version": 1, "verdict": "passed" | "failed", "checks": [...]}
JsonValue to_json(const Verdict& verdict);
/// Inverse; throws InputError naming @p origin for what is no verdict, or says passed of findings.
Verdict verdict_from_json(const JsonValue& document, const std::string& origin);

}  // namespace tessera::jobs
