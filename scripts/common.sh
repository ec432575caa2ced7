# Shared by the scripts beside it: where builds are cached, how progress is shown, which C flags are safe here.
# Everything that takes long to build lives outside the checkout, so that a fresh clone starts quickly.
# shellcheck shell=bash

BUILD_CACHE="${ADAPTERD_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/adapterd-build}"
LLAMA_CPP_PYTHON_VERSION="$(sed -n 's/^llama-cpp-python==//p' "$ROOT/constraints.txt")"

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# CMake flags for ggml. GGML_NATIVE=ON compiles AMX kernels that crash on some Xeons
# (ggml_backend_amx_mul_mat), so on x86 the instruction sets are named one by one.
ggml_flags() {
    case "$(uname -s)-$(uname -m)" in
        Linux-x86_64)
            if grep -q -w avx2 /proc/cpuinfo; then
                echo "-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON"
            else
                echo "-DGGML_NATIVE=OFF -DGGML_AVX=OFF -DGGML_AVX2=OFF -DGGML_FMA=OFF -DGGML_F16C=OFF"
            fi ;;
        *) echo "" ;;
    esac
}

# Run a long build: its whole output goes to a log, a counter like [12/345] or [ 42%] becomes one
# line of progress. Arguments: a title, the log file, then the command.
with_progress() {
    local title="$1" log="$2"; shift 2
    mkdir -p "$(dirname "$log")"
    say "$title (log: ${log/#$HOME/\~})"
    local started=$SECONDS status=0
    { "$@" 2>&1 || echo "build-exit-status: $?"; } | tee "$log" | awk -v tty="$([ -t 2 ] && echo 1 || echo 0)" '
        function show(p) { if (tty) { printf "\r  %3d %%", p > "/dev/stderr" } else if (p >= next_mark) { printf "  %3d %%\n", p > "/dev/stderr"; next_mark = p + 20 } fflush("/dev/stderr") }
        match($0, /\[ *[0-9]+\/[0-9]+\]/) { split(substr($0, RSTART + 1, RLENGTH - 2), part, "/"); show(int(100 * part[1] / part[2])) }
        match($0, /\[ *[0-9]+%\]/) { show(int(substr($0, RSTART + 1))) }
        END { if (tty) printf "\r" > "/dev/stderr" }'
    status="$(sed -n 's/^build-exit-status: //p' "$log" | tail -1)"
    if [ -n "$status" ]; then
        tail -15 "$log" >&2
        say "$title: failed; the whole log is $log"
        return 1
    fi
    say "  done in $((SECONDS - started)) s"
}
