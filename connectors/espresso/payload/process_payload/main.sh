# Runs pw.x of Quantum ESPRESSO on $1/pw.in. Writes pw.out and result.json into $2.
output=../$2 program=$PWD
export LC_ALL=C OMP_NUM_THREADS=1 # a task is one of the host's slots

fail() {
    echo "espresso: $1" >&2
    if [ -s CRASH ]; then
        grep -v '^ %%%' CRASH >&2 # what pw.x says when it gives up
    elif [ -s "$output/pw.out" ]; then
        tail -n 20 "$output/pw.out" >&2
    fi
    exit 1
}

cd "$1" || exit
[ -f pw.in ] || fail "the start point has no pw.in_template or pw.in"
pw.x -in pw.in >"$output/pw.out" 2>&1 || fail "pw.x ended with exit code $?; it said:"
awk -f "$program/measure.awk" "$output/pw.out" >"$output/result.json" || fail "pw.x computed no total energy; it said:"
