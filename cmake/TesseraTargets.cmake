# One INTERFACE target carries what every target shares; two functions make everything else.
add_library(tessera_options INTERFACE)
target_compile_features(tessera_options INTERFACE cxx_std_20)
target_include_directories(tessera_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_compile_options(tessera_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  -fno-math-errno              # sqrt and friends set no errno, so that loops with them vectorize
  -ffp-contract=fast)          # fused multiply-adds; the same binary still gives the same bytes
target_compile_definitions(tessera_options INTERFACE
  $<$<BOOL:${TESSERA_DEBUG_CHECKS}>:TESSERA_DEBUG_CHECKS>)
if(TESSERA_ARCH)
  target_compile_options(tessera_options INTERFACE -march=${TESSERA_ARCH} -mprefer-vector-width=512)
endif()
if(TESSERA_SANITIZE)
  target_compile_options(tessera_options INTERFACE -fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(tessera_options INTERFACE -fsanitize=${TESSERA_SANITIZE})
endif()

# tessera_add_library(name SOURCES ... [PUBLIC ...] [PRIVATE ...]): target tessera_<name>, alias tessera::<name>.
# Every header of the folder is also compiled alone (the header check).
function(tessera_add_library name)
  cmake_parse_arguments(PARSE_ARGV 1 L "" "" "SOURCES;PUBLIC;PRIVATE")
  add_library(tessera_${name} STATIC ${L_SOURCES})
  add_library(tessera::${name} ALIAS tessera_${name})
  target_link_libraries(tessera_${name} PUBLIC tessera_options ${L_PUBLIC} PRIVATE ${L_PRIVATE})
  if(TESSERA_BUILD_TESTS AND TESSERA_CHECK_HEADERS)
    tessera_check_headers(${name} ${L_PUBLIC})
  endif()
endfunction()

# An object library with one generated source a header: a header that does not compile alone fails the build. A source that
# includes its own header first shows that already, so only the others are compiled again.
function(tessera_check_headers name)
  file(GLOB_RECURSE headers RELATIVE ${CMAKE_CURRENT_SOURCE_DIR} CONFIGURE_DEPENDS *.hpp)
  set(sources "")
  foreach(header IN LISTS headers)
    tessera_own_source_checks(checked ${header})
    if(checked)
      continue()
    endif()
    string(MAKE_C_IDENTIFIER ${header} stem)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${stem}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${header}\"\n")
    list(APPEND sources ${source})
  endforeach()
  if(sources)
    add_library(headers_${name} OBJECT ${sources})
    target_link_libraries(headers_${name} PRIVATE tessera_options ${ARGN})
    target_compile_options(headers_${name} PRIVATE -O0 -g0)   # only whether they compile
  endif()
endfunction()

# Whether the source of a header's name includes that header before anything else.
function(tessera_own_source_checks result header)
  set(${result} FALSE PARENT_SCOPE)
  string(REGEX REPLACE "[.]hpp$" ".cpp" source ${header})
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    file(STRINGS ${CMAKE_CURRENT_SOURCE_DIR}/${source} first REGEX "^#include" LIMIT_COUNT 1)
    file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${header})
    string(REGEX REPLACE "^src/" "" path ${path})
    if(first STREQUAL "#include \"${path}\"")
      set(${result} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

# tessera_add_test(folder/name SOURCES ... LINK ... [LABELS ...] [TIMEOUT seconds] [PROCESSORS n])
function(tessera_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "TIMEOUT;PROCESSORS" "SOURCES;LINK;LABELS")
  string(REPLACE "/" "_" target "test_${name}")
  add_executable(${target} ${T_SOURCES})
  target_link_libraries(${target} PRIVATE ${T_LINK} tessera::test_support GTest::gtest_main)
  target_compile_options(${target} PRIVATE -O0)   # a test's own code need not be fast, only its building
  target_precompile_headers(${target} REUSE_FROM tessera_test_headers)
  set_property(GLOBAL APPEND PROPERTY TESSERA_TEST_PROGRAMS ${target})
  add_test(NAME ${name} COMMAND ${target})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  if(NOT T_PROCESSORS)
    set(T_PROCESSORS 1)
  endif()
  if(NOT T_LABELS)
    set(T_LABELS unit)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${T_LABELS}" TIMEOUT ${T_TIMEOUT} PROCESSORS ${T_PROCESSORS})
endfunction()

# tessera_add_mpi_test(folder/name SOURCES ... LINK ... RANKS 1 2 4): one program with a main of its own, run under
# mpirun on each number of ranks.
set(TESSERA_MPIEXEC_FLAGS --oversubscribe --allow-run-as-root CACHE STRING "Extra flags of mpirun in the tests")
function(tessera_add_mpi_test name)
  cmake_parse_arguments(PARSE_ARGV 1 T "" "TIMEOUT" "SOURCES;LINK;RANKS")
  string(REPLACE "/" "_" target "test_${name}")
  add_executable(${target} ${T_SOURCES})
  target_link_libraries(${target} PRIVATE ${T_LINK} tessera::test_support GTest::gtest)
  target_compile_options(${target} PRIVATE -O0)   # a test's own code need not be fast, only its building
  target_precompile_headers(${target} REUSE_FROM tessera_test_headers)
  set_property(GLOBAL APPEND PROPERTY TESSERA_TEST_PROGRAMS ${target})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT 120)
  endif()
  foreach(ranks IN LISTS T_RANKS)
    add_test(NAME ${name}@${ranks}
      COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${ranks} ${TESSERA_MPIEXEC_FLAGS} $<TARGET_FILE:${target}>)
    set_tests_properties(${name}@${ranks} PROPERTIES LABELS mpi TIMEOUT ${T_TIMEOUT} PROCESSORS 2)
  endforeach()
endfunction()
