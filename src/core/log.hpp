#pragma once
#include <cstddef>
#include <string>

namespace tessera {

/// How far a stage is. Units are what the stage counts ("blocks", "layers", "windows").
struct Progress {
  std::string stage;
  std::string unit;
  std::size_t done = 0;
  std::size_t total = 0;
  double done_cost =
      0;  ///< share of the stage's work that is done, 0 ... 1, for the ETA; units differ in size
  std::string detail;  ///< what was just done: "block 4 self_attn.q_proj error 0.0301"
};

/// Where a run says what it does. The program prints to stderr and to the work folder; tests keep
/// it.
class Log {
 public:
  virtual ~Log() = default;
  virtual void info(const std::string& text) = 0;
  virtual void warning(const std::string& text) = 0;
  virtual void detail(const std::string& text) = 0;  ///< shown with -v
  virtual void progress(const Progress& progress) = 0;
};

/// Says nothing.
class SilentLog final : public Log {
 public:
  void info(const std::string&) override {}
  void warning(const std::string&) override {}
  void detail(const std::string&) override {}
  void progress(const Progress&) override {}
};

}  // namespace tessera
