# CMake reads this where ggml begins (CMAKE_PROJECT_ggml_INCLUDE in common.sh): ggml computes, so it is optimised fully.
# What is around it (parsers, templates, HTTP) is compiled with -O1, in about two thirds of the time.
set(CMAKE_C_FLAGS_RELEASE "-O3 -DNDEBUG")
set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
