#pragma once
#include <source_location>
#include <stdexcept>
#include <string>

// Who is at fault decides the type. A message reads: problem (why it is one) what to do; with
// value, place and unit.
namespace tessera {

/// Anything that is not our bug.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The user's mistake: the job, the model folder, a text, the command line. The program exits
/// with 2.
class InputError : public Error {
 public:
  using Error::Error;
};

/// The machine's failure: disk full, no permission, out of memory. The program exits with 1.
class MachineError : public Error {
 public:
  using Error::Error;

  /// Appends what the operating system said: "cannot write /x/y (No space left on device)".
  static MachineError from_errno(const std::string& what);
};

/// Our mistake. Never caught to go on.
class Bug : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws InputError(@p message) unless @p ok. Build the message lazily where it costs: use an if.
void require_input(bool ok, const std::string& message);

/// A precondition or inner invariant; throws Bug with the place of the call.
void require(bool ok, const char* what,
             std::source_location where = std::source_location::current());

/// As require, in builds with TESSERA_DEBUG_CHECKS only; for checks inside loops.
inline void debug_require([[maybe_unused]] bool ok, [[maybe_unused]] const char* what) {
#ifdef TESSERA_DEBUG_CHECKS
  require(ok, what);
#endif
}

}  // namespace tessera
