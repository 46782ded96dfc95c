#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "format/residual_file.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera::format {

/// What an InputError of @p action says; empty when it throws none.
inline std::string refusal_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "";
}

class ResidualFileTest : public testing::Test {
 protected:
  std::string refusal(const std::filesystem::path& path) const {
    return refusal_of([&] {
      const ResidualFile file(path);
      for (const std::string& layer : file.layers()) file.read(layer);
    });
  }
  test::TemporaryFolder folder_;
};

}  // namespace tessera::format
