# Runs LAMMPS on $1/in.lammps, which knows $2 as ${output}. Writes log.lammps into $2; the script writes the rest.
output=../$2
export LC_ALL=C OMP_NUM_THREADS=1 # a task is one of the host's slots

fail() {
    echo "lammps: $1" >&2
    [ ! -s "$output/log.lammps" ] || tail -n 20 "$output/log.lammps" >&2
    exit 1
}

cd "$1" || exit
[ -f in.lammps ] || fail "the start point has no in.lammps_template or in.lammps"
lmp -in in.lammps -log "$output/log.lammps" -screen none -var output "$output" || fail "lmp ended with exit code $?; it said:"
if [ -f "$output/result.json" ] && grep -Eqi '[^a-z](nan|inf)[^a-z]' "$output/result.json"; then
    fail "a result is not a number; the simulation ended with:"
fi
