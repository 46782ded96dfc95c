#include "core/error.hpp"

#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Error, TypesSayWhoIsAtFault) {
  EXPECT_THROW(throw InputError("x"), Error);
  EXPECT_THROW(throw MachineError("x"), Error);
  static_assert(!std::is_base_of_v<Error, Bug>, "nobody who catches errors catches bugs");
}

TEST(Error, TheMachinesWordsAreAppended) {
  errno = ENOSPC;
  EXPECT_STREQ(MachineError::from_errno("cannot write x").what(),
               "cannot write x (No space left on device)");
}

TEST(Error, RequireInputThrowsOnlyWhenItDoesNotHold) {
  EXPECT_NO_THROW(require_input(true, "unused"));
  EXPECT_THAT([] { require_input(false, "bits is 5"); },
              ThrowsMessage<InputError>(HasSubstr("bits is 5")));
}

TEST(Error, RequireNamesThePlaceOfTheCall) {
  EXPECT_NO_THROW(require(true, "unused"));
  EXPECT_THAT([] { require(false, "rows match"); },
              ThrowsMessage<Bug>(AllOf(HasSubstr("rows match"), HasSubstr("error_test.cpp:"))));
}

TEST(Error, DebugRequireChecksInDebugBuildsOnly) {
#ifdef TESSERA_DEBUG_CHECKS
  EXPECT_THROW(debug_require(false, "inner"), Bug);
#else
  EXPECT_NO_THROW(debug_require(false, "inner"));
#endif
}

}  // namespace
}  // namespace tessera
