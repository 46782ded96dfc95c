#include "core/descriptor.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/error.hpp"

namespace tessera {

Descriptor::Descriptor(const std::filesystem::path& file, int flags)
    : fd_(::open(file.c_str(), flags | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw MachineError::from_errno("cannot open " + file.string());
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace tessera
