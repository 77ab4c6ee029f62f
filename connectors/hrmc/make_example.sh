#!/bin/sh
# Makes example_input/initial/input_gr.dat anew: the g(r) of liquid argon, "measured" on a simulated sample.
#
# The sample is 864 Lennard-Jones atoms at 94.4 K and 1.374 g/cm3, the state and the potential of A. Rahman, Physical Review 136,
# A405 (1964). It is simulated by hrmc itself with data of no weight, which is Metropolis Monte Carlo: first until it is
# in equilibrium, then from one configuration to the next; the g(r) of these are averaged. Takes a minute.
set -eu
configurations=60
cd "$(dirname "$0")"
data=$PWD/example_input/initial/input_gr.dat
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd payload/process_payload && cp hrmc.c schedule.sh "$work")
cd "$work"
sh schedule.sh

# Rows of 0.1 angstrom up to 12; what they say has no weight.
awk 'BEGIN { for (row = 0; row < 120; row++) print 0.05 + 0.1 * row, 0 }' >input_gr.dat

# simulate ISTART STREAM MOVES
simulate() {
    cat >HRMC.inp <<PARAMETERS
istart $1
iseed 1964
stream $2
irun $3
natoms 864
box 34.68
step 0.3
sigma 1e9
temp 94.4
pottype 1
epsilon 120
diameter 3.4
PARAMETERS
    ./hrmc .
    mv xyz_final.xyz input_initial.xyz
}

simulate 2 0 1500000
for configuration in $(seq "$configurations"); do
    simulate 1 "$configuration" 20000
    cp gr.csv "gr-$configuration.csv"
done
{
    echo "# r (angstrom) and g(r) of simulated liquid argon, by make_example.sh"
    awk -F, 'FNR > 1 { sum[$1] += $2; if (!seen[$1]++) r[++rows] = $1 }
        END { for (row = 1; row <= rows; row++) printf "%.2f %.4f\n", r[row], sum[r[row]] / seen[r[row]] }' gr-*.csv
} >"$data"
echo "$data: $(tail -n 1 trace.csv | cut -d, -f4) kelvin of energy per atom in the last configuration"
