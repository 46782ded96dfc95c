#include "core/digest.hpp"

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/atomic_file.hpp"
#include "core/error.hpp"
#include "tests/support/temporary_folder.hpp"

namespace tessera {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr const char* kNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, IsSha256) {  // the examples of FIPS 180-2
  EXPECT_EQ(digest_of_text(""), kNothing);
  EXPECT_EQ(digest_of_text("abc"), kAbc);
  EXPECT_EQ(Digest().hex(), kNothing);
}

TEST(Digest, PiecesGiveTheDigestOfTheWhole) {
  const std::array<std::byte, 3> abc{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  Digest digest;
  for (const std::byte& byte : abc) digest.add({&byte, 1}).add({});
  EXPECT_EQ(digest.hex(), kAbc);
}

TEST(Digest, TextsCarryTheirLength) {
  EXPECT_NE(Digest().add_text("ab").add_text("c").hex(),
            Digest().add_text("a").add_text("bc").hex());
  EXPECT_NE(Digest().add_text("").hex(), Digest().hex());
}

TEST(Digest, OfFilesAroundThePieceInWhichTheyAreRead) {
  const test::TemporaryFolder folder;
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1}) {
    const std::string content(size, 'x');
    write_file_atomically(folder / "file", content);
    EXPECT_EQ(digest_of_file(folder / "file"), digest_of_text(content)) << size;
  }
}

TEST(Digest, OfAMissingFileNamesIt) {
  const test::TemporaryFolder folder;
  EXPECT_THAT([&] { static_cast<void>(digest_of_file(folder / "absent")); },
              ThrowsMessage<InputError>(HasSubstr("absent (No such file or directory)")));
}

}  // namespace
}  // namespace tessera
