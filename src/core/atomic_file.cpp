#include "core/atomic_file.hpp"

#include <fstream>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include "core/error.hpp"

namespace fs = std::filesystem;

namespace tessera {

void sync_to_disk(const fs::path& file_or_folder) {
  const int fd = ::open(file_or_folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    throw MachineError::from_errno("cannot open " + file_or_folder.string() + " to flush it");
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  errno = error;
  if (result != 0) throw MachineError::from_errno("cannot flush " + file_or_folder.string());
}

void write_atomically(const fs::path& file, const std::function<void(const fs::path&)>& write) {
  const fs::path temporary = file.string() + ".tmp";
  try {
    write(temporary);
    sync_to_disk(temporary);
    fs::rename(temporary, file);
    sync_to_disk(file.has_parent_path() ? file.parent_path() : fs::path("."));
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw MachineError(fmt::format("cannot rename {} into place ({})", temporary.string(),
                                   error.code().message()));
  } catch (...) {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}

void write_file_atomically(const fs::path& file, std::string_view content) {
  write_atomically(file, [&](const fs::path& temporary) {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    if (!out) throw MachineError::from_errno("cannot create " + temporary.string());
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.flush();
    if (!out) {
      throw MachineError::from_errno(
          fmt::format("cannot write {} bytes to {}", content.size(), temporary.string()));
    }
  });
}

std::string read_text_file(const fs::path& file, std::size_t max_bytes) {
  std::ifstream in(file, std::ios::binary);
  if (!in || fs::is_directory(file)) {
    throw InputError(
        fmt::format("cannot open {} (it does not exist or may not be read)", file.string()));
  }
  const auto size = fs::file_size(file);
  if (size > max_bytes) {
    throw InputError(fmt::format("{} is {} bytes long (at most {} are expected of such a file)",
                                 file.string(), size, max_bytes));
  }
  std::string content(size, '\0');
  in.read(content.data(), static_cast<std::streamsize>(size));
  content.resize(static_cast<std::size_t>(in.gcount()));
  if (in.bad()) throw MachineError::from_errno("cannot read " + file.string());
  return content;
}

}  // namespace tessera
