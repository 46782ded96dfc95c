#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "jobs/settings/job_file.hpp"
#include "tests/support/test_data.hpp"

namespace tessera::jobs {
namespace {

TEST(ConfigsReference, IsThePageThatTheSettingsMake) {
  const auto path = test::source_folder() / "docs" / "job_reference.md";
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file) << path << " is not there. Make it: cmake --build <build folder> --target "
                    << "update_job_reference";
  const std::string page{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_TRUE(page == job_reference())
      << path << " is not what the settings say (a describe function changed). Make it again: "
      << "cmake --build <build folder> --target update_job_reference";
}

}  // namespace
}  // namespace tessera::jobs
