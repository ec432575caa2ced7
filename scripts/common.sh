# Shared by the scripts beside it: where builds are cached, how progress is shown, which C flags are safe here.
# Everything that takes long to build lives outside the checkout, so that a fresh clone starts quickly.
# shellcheck shell=bash

BUILD_CACHE="${ADAPTERD_BUILD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/adapterd-build}"
LOCK="$ROOT/requirements.txt"          # every package that is installed, with its hashes (scripts/lock writes both)
TOOLS_LOCK="$ROOT/scripts/tools.txt"   # the same for what builds and examines
LLAMA_CPP_PYTHON_VERSION="$(sed -n 's/^llama-cpp-python==\([^ ]*\).*/\1/p' "$LOCK")"
LLAMA_CPP_BUILD="$BUILD_CACHE/llama.cpp-$LLAMA_CPP_PYTHON_VERSION-shared"

# How many compilers may run at once: the cores that this process can really use, by its affinity and by the quotas of
# its control groups (a container's limit), at least one. $ADAPTERD_BUILD_JOBS overrides it. A build system that is given
# no number starts one compiler for each file (`cmake --parallel`), or one for each core of the machine.
# Arguments, for tests: the file that names the control groups, and where these are mounted.
build_jobs() {
    local groups="${1:-/proc/self/cgroup}" mount="${2:-/sys/fs/cgroup}" jobs quota
    if [ -n "${ADAPTERD_BUILD_JOBS:-}" ]; then
        case "$ADAPTERD_BUILD_JOBS" in *[!0-9]*|0*) die "ADAPTERD_BUILD_JOBS=$ADAPTERD_BUILD_JOBS is not a number from 1" ;; esac
        echo "$ADAPTERD_BUILD_JOBS"
        return
    fi
    # OMP_* would change what nproc says, which is not meant for compilers
    jobs="$(env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc 2>/dev/null || sysctl -n hw.logicalcpu 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)"
    case "$jobs" in ''|*[!0-9]*|0) jobs=1 ;; esac
    for quota in $(cpu_quotas "$groups" "$mount"); do
        [ "$quota" -ge "$jobs" ] || jobs="$quota"
    done
    echo "$jobs"
}

# The quotas of processor time that hold for this process, in whole cores (at least 1), one a line; none on macOS.
cpu_quotas() {
    local line path folder quota period
    [ -r "$1" ] || return 0
    while IFS= read -r line; do
        path="${line#*:*:}"
        case "$line" in
            0::*) folder="$2" ;;
            *:cpu:*|*:cpu,*|*,cpu:*|*,cpu,*) folder="$2/cpu" ;;
            *) continue ;;
        esac
        while :; do # a quota holds for every group below it
            quota="" period=""
            if [ -r "$folder$path/cpu.max" ]; then
                read -r quota period <"$folder$path/cpu.max" || true
            elif [ -r "$folder$path/cpu.cfs_quota_us" ] && [ -r "$folder$path/cpu.cfs_period_us" ]; then
                read -r quota <"$folder$path/cpu.cfs_quota_us" || true
                read -r period <"$folder$path/cpu.cfs_period_us" || true
            fi
            case "$quota:$period" in
                *[!0-9:]*|:*|*:|*:0) ;; # "max", -1, or none
                *) echo $((quota / period > 0 ? quota / period : 1)) ;;
            esac
            case "$path" in ''|/) break ;; esac
            path="${path%/*}"
        done
    done <"$1"
}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

JOBS="$(build_jobs)"
# For whatever pip, CMake or Go compile of their own accord.
export CMAKE_BUILD_PARALLEL_LEVEL="$JOBS" MAX_JOBS="$JOBS" GOMAXPROCS="$JOBS" GOFLAGS="${GOFLAGS:+$GOFLAGS }-p=$JOBS"

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

# Percentages out of the lines of a build: on a terminal in one place, else a line for every 20. (Not awk: mawk waits
# until it has read 4 KiB.)
show_progress() {
    local line percent next=0 counter='\[ *([0-9]+)/([0-9]+)\]' percentage='\[ *([0-9]+)%\]'
    while IFS= read -r line; do
        if [[ $line =~ $counter ]]; then percent=$((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
        elif [[ $line =~ $percentage ]]; then percent=${BASH_REMATCH[1]}
        else continue
        fi
        if [ -t 2 ]; then printf '\r  %3d %%' "$percent" >&2
        elif [ "$percent" -ge "$next" ]; then
            printf '  %3d %%\n' "$percent" >&2
            next=$((percent + 20))
        fi
    done
    [ ! -t 2 ] || printf '\r' >&2
}

# Put [12/345] before each line that is one word, for show_progress. Argument: how many there will be, 0 for unknown.
number_lines() {
    local line count=0
    while IFS= read -r line; do
        if [ "$1" -gt 0 ] && [[ $line != *" "* ]]; then
            count=$((count < $1 ? count + 1 : count))
            line="[$count/$1] $line"
        fi
        printf '%s\n' "$line"
    done
}

# Run a long build: its whole output goes to a log, a counter like [12/345] or [ 42%] becomes one
# line of progress. Arguments: a title, the log file, then the command.
with_progress() {
    local title="$1" log="$2"; shift 2
    mkdir -p "$(dirname "$log")"
    say "$title (log: ${log/#$HOME/\~})"
    local started=$SECONDS status=0
    { "$@" 2>&1 || echo "build-exit-status: $?"; } | tee "$log" | show_progress
    status="$(sed -n 's/^build-exit-status: //p' "$log" | tail -1)"
    if [ -n "$status" ]; then
        tail -15 "$log" >&2
        say "$title: failed; the whole log is $log"
        return 1
    fi
    say "  done in $((SECONDS - started)) s"
}

# Only one build at a time; the lock goes with the process.
lock_build() { mkdir -p "$BUILD_CACHE"; if have flock; then exec 9>"$BUILD_CACHE/ollama.lock"; flock 9; fi; }

# The Python that fetches what a build needs: $PYTHON, else the checkout's own, else the machine's.
find_build_python() {
    PYTHON="${PYTHON:-$ROOT/.venv/bin/python}"
    [ -x "$PYTHON" ] || PYTHON="$(command -v python3)"
}

# The lines of a lock file about some packages, or with --except about all others. Arguments: the file, [--except], names.
locked() {
    local file="$1" rest=0; shift
    [ "$1" != --except ] || { rest=1; shift; }
    awk -v names=" $* " -v rest="$rest" '
        /^[^ #]/ { name = $1; sub(/(==|\[).*/, "", name); wanted = (index(names, " " name " ") > 0) != rest }
        wanted && !/^#/' "$file"
}

# Install what a lock file says of some packages, and nothing else: pip refuses what does not have the file's hash.
# Arguments: a Python, then those of `locked`.
install_locked() {
    local python="$1" list status=0; shift
    list="$(mktemp "${TMPDIR:-/tmp}/requirements.XXXXXX")"
    locked "$@" >"$list"
    "$python" -I -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$list" || status=$?
    rm -f "$list"
    return "$status"
}

# Tools that are published on PyPI get a virtual environment in the build cache, named after the first of them.
in_own_venv() {
    local venv="$BUILD_CACHE/$1"
    [ -x "$venv/bin/pip" ] || "$PYTHON" -I -m venv "$venv" >&2 || return 1
    install_locked "$venv/bin/python" "$TOOLS_LOCK" "$@" >&2
}

# CMake and what it starts (Ninja or make) from PATH, else the wheels.
find_cmake() {
    have cmake || { in_own_venv cmake && PATH="$BUILD_CACHE/cmake/bin:$PATH"; } || return 1
    have ninja || have make || { in_own_venv ninja && PATH="$BUILD_CACHE/ninja/bin:$PATH"; }
}

# The Python with what packs llama-cpp-python; pip asks it even for the name of an archive that it fetches.
packing_python() {
    in_own_venv scikit-build-core packaging pathspec && echo "$BUILD_CACHE/scikit-build-core/bin/python"
}

# The llama-cpp-python source archive, in which llama.cpp's source travels; print the folder.
llama_cpp_python_source() {
    local archives="$BUILD_CACHE/src" dir="$BUILD_CACHE/src/llama_cpp_python-$LLAMA_CPP_PYTHON_VERSION" python
    if [ ! -d "$dir/vendor/llama.cpp" ]; then
        say "Fetching the llama.cpp source (llama-cpp-python $LLAMA_CPP_PYTHON_VERSION)"
        mkdir -p "$archives"
        locked "$LOCK" llama-cpp-python >"$archives/requirements.txt"
        python="$(packing_python)" || return 1
        "$python" -I -m pip download --quiet --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
            --no-build-isolation --require-hashes --dest "$archives" --requirement "$archives/requirements.txt" >&2 || return 1
        tar -xzf "$dir.tar.gz" -C "$archives" || return 1
    fi
    echo "$dir"
}

# Build libraries and programs of llama.cpp into $LLAMA_CPP_BUILD/bin. Arguments: a title, then the targets.
# Everything that needs llama.cpp is built in this one tree, so that nothing is compiled twice: the libraries for the
# llama-cpp-python wheel, llama-server for Ollama, the tools for the benches. The libraries carry no version in their
# names, and whatever needs them looks for them in its own folder: they can be copied into a wheel, which has no links.
build_llama_cpp() {
    local title="$1" source flags; shift
    source="$(llama_cpp_python_source)/vendor/llama.cpp" || return 1
    mkdir -p "$BUILD_CACHE/logs"
    read -r -a flags <<<"$(ggml_flags)"
    [ -f "$LLAMA_CPP_BUILD/CMakeCache.txt" ] || ! have ninja || flags+=(-G Ninja)
    cmake -S "$source" -B "$LLAMA_CPP_BUILD" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=ON \
        -DCMAKE_PLATFORM_NO_VERSIONED_SONAME=ON -DCMAKE_BUILD_WITH_INSTALL_RPATH=ON "-DCMAKE_INSTALL_RPATH=$(own_folder)" \
        "-DCMAKE_C_FLAGS_RELEASE=-O1 -DNDEBUG" "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG" \
        "-DCMAKE_PROJECT_ggml_INCLUDE=$ROOT/scripts/ggml.cmake" ${flags[@]+"${flags[@]}"} \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
        -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
        >"$BUILD_CACHE/logs/cmake.log" 2>&1 || { tail -5 "$BUILD_CACHE/logs/cmake.log" >&2; return 1; }
    with_progress "$title" "$BUILD_CACHE/logs/$1.log" \
        cmake --build "$LLAMA_CPP_BUILD" --target "$@" --parallel "$JOBS"
}

# How a program names its own folder to the linker.
own_folder() { if [ "$(uname -s)" = Darwin ]; then echo "@loader_path"; else echo "\$ORIGIN"; fi; }
