#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "core/error.hpp"
#include "store/archive.hpp"
#include "store/sealed_file.hpp"
#include "tests/support/temporary_folder.hpp"

// Torn, damaged and foreign files: each an InputError that names the file, none of them reaches
// HDF5's parser; and files that are sealed but lie.
/// HDF5 1.10 loses a few hundred bytes of its own when it refuses a file; the leak sanitizer is
/// told so.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libhdf5";
}

namespace tessera::store {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Codes {
  Matrix<std::uint16_t> codes;
  std::vector<double> scale;
};
template <class Archive>
void archive(Archive& a, Codes& c) {
  a("codes", c.codes);
  a("scale", c.scale);
}

const Identity kIdentity = {{"kind", "codes"}};

std::string saved_content(const std::filesystem::path& file) {
  Codes codes{Matrix<std::uint16_t>(37, 11), std::vector<double>(53, 0.5)};
  save(file, kIdentity, codes);
  return read_text_file(file);
}

void write_content(const std::filesystem::path& file, std::string_view content) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << content;
}

std::string message_of_load(const std::filesystem::path& file) {
  try {
    Codes codes;
    load(file, kIdentity, codes);
  } catch (const InputError& error) {
    return error.what();
  }
  return "(no InputError)";
}

TEST(DamagedFile, AbsentOrForeign) {
  const test::TemporaryFolder folder;
  EXPECT_THAT(message_of_load(folder / "no.h5"),
              AllOf(HasSubstr("cannot open"), HasSubstr("no.h5")));
  EXPECT_THAT(message_of_load(folder.path()), HasSubstr("cannot open"));
  for (const std::string content : {"", "t", "\x89HDF\r\n\x1a\n and more", "tessera work file"}) {
    write_content(folder / "a.h5", content);
    EXPECT_THAT(message_of_load(folder / "a.h5"),
                AllOf(HasSubstr("a.h5"), HasSubstr("no work file")));
  }
  write_content(folder / "a.h5", "tessera work file 2\n" + std::string(2000, 'x'));
  EXPECT_THAT(message_of_load(folder / "a.h5"), HasSubstr("another version"));
}

TEST(DamagedFile, CutOffAnywhere) {
  const test::TemporaryFolder folder;
  const std::string content = saved_content(folder / "a.h5");
  for (std::size_t length = 20; length < content.size(); length += length < 600 ? 7 : 101) {
    write_content(folder / "a.h5", content.substr(0, length));
    EXPECT_THAT(message_of_load(folder / "a.h5"),
                length < kSealBytes ? HasSubstr("cut off after")
                                    : HasSubstr(std::to_string(length) + " bytes long"));
  }
  write_content(folder / "a.h5", content + "x");
  EXPECT_THAT(message_of_load(folder / "a.h5"),
              HasSubstr("(its seal says " + std::to_string(content.size()) + ")"));
}

TEST(DamagedFile, ABitFlippedAnywhere) {
  const test::TemporaryFolder folder;
  const std::string content = saved_content(folder / "a.h5");
  for (std::size_t byte = 0; byte < content.size(); byte += byte < 600 ? 1 : 37) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    write_content(folder / "a.h5", damaged);
    EXPECT_THAT(message_of_load(folder / "a.h5"), HasSubstr("a.h5: ")) << byte;
  }
}

/// The seal is no secret: whoever forges a file can seal it. Then HDF5's own checksums and the
/// reader's checks stand.
TEST(DamagedFile, ABitFlippedUnderAFreshSeal) {
  const test::TemporaryFolder folder;
  const std::string content = saved_content(folder / "a.h5");
  std::size_t num_refused = 0;
  std::size_t num_tried = 0;
  for (std::size_t byte = kSealBytes; byte < content.size(); byte += 11, ++num_tried) {
    std::string damaged = content;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    write_content(folder / "a.h5", damaged);
    seal(folder / "a.h5");
    Codes codes;
    try {
      load(folder / "a.h5", kIdentity, codes);
      ASSERT_EQ(codes.codes.rows(), 37U);  // a byte that nobody reads
      ASSERT_EQ(codes.scale, std::vector<double>(53, 0.5));
      for (const auto code : codes.codes.span()) ASSERT_EQ(code, 0);
    } catch (const InputError&) {
      ++num_refused;
    }
  }
  EXPECT_GT(num_refused, num_tried / 10);
}

/// Lets files grow to @p bytes only, as long as it lives.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(DamagedFile, ADiskThatIsFullIsTheMachinesFault) {
  const test::TemporaryFolder folder;
  const Codes codes{Matrix<std::uint16_t>(1000, 1000), std::vector<double>(70000)};
  const std::string whole = save(folder / "whole.h5", kIdentity, codes);
  const auto bytes = std::filesystem::file_size(folder / "whole.h5");
  std::filesystem::remove(folder / "whole.h5");
  // Wherever the disk ends, also in the seal and in what is written when the file is closed.
  for (rlim_t room = 0; room < bytes; room += room < 8192 || room + 8192 > bytes ? 256 : 90001) {
    std::string message;
    try {
      const SmallDisk disk(room);
      save(folder / "a.h5", kIdentity, codes);
    } catch (const MachineError& error) {
      message = error.what();
    }
    ASSERT_THAT(message, AllOf(HasSubstr("a.h5.tmp"), HasSubstr("File too large"))) << room;
    ASSERT_TRUE(std::filesystem::is_empty(folder.path())) << room;
  }
  EXPECT_EQ(save(folder / "a.h5", kIdentity, codes), whole);  // and the library still works
}

}  // namespace
}  // namespace tessera::store
