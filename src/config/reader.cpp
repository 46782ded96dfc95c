#include "config/reader.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "core/error.hpp"

namespace tessera::config {

std::string load_settings_text(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) {
    throw InputError(
        fmt::format("{} cannot be read (it is a folder). Name a YAML file.", file.string()));
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    throw InputError(fmt::format("{} cannot be read ({}). Check the path.", file.string(),
                                 std::strerror(errno)));
  }
  std::string text(kMostBytes + 1, '\0');  // one byte more than allowed is enough to refuse it
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) {
    throw MachineError(fmt::format("reading {} failed after {} bytes ({}). Check the disk.",
                                   file.string(), text.size(), std::strerror(errno)));
  }
  if (text.size() > kMostBytes) {
    throw InputError(
        fmt::format("{} has more than {} bytes (that is no settings file). "
                    "Name a YAML file.",
                    file.string(), kMostBytes));
  }
  return text;
}

}  // namespace tessera::config
