#include "core/error.hpp"

#include <cerrno>
#include <cstring>

#include <fmt/core.h>

namespace tessera {

MachineError MachineError::from_errno(const std::string& what) {
  return MachineError(fmt::format("{} ({})", what, std::strerror(errno)));
}

void require_input(bool ok, const std::string& message) {
  if (!ok) throw InputError(message);
}

void require(bool ok, const char* what, std::source_location where) {
  if (!ok) throw Bug(fmt::format("{} (at {}:{})", what, where.file_name(), where.line()));
}

}  // namespace tessera
