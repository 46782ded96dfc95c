#include "tests/model/safetensors_bytes.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace tessera::test {

std::string safetensors_bytes(std::string_view header, std::string_view data,
                              std::optional<std::uint64_t> length) {
  const std::uint64_t stated = length.value_or(header.size());
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(stated >> (8 * i) & 0xFFu);
  return bytes.append(header).append(data);
}

std::string input_error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InputError was thrown";
  return "";
}

}  // namespace tessera::test
