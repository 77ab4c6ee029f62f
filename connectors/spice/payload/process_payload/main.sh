# Simulates $1/circuit.cir. Writes ngspice.log, result.json, and response.csv or step.csv into $2.
input=$1 output=$2 analysis=$3 lowest=$4 highest=$5 duration=$6
export LC_ALL=C # decimal points, whatever the host's language

fail() {
    echo "spice: $1" >&2
    [ ! -s "$output/ngspice.log" ] || tail -n 20 "$output/ngspice.log" >&2
    exit 1
}

[ -f "$input/circuit.cir" ] || fail "the start point has no circuit.cir_template or circuit.cir"
case $analysis in
    ac) command="ac dec 200 $lowest $highest" vectors='db(v(out)) 180/pi*cph(v(out))' table=response.csv
        header=frequency_hz,gain_db,phase_degrees ;;
    tran) command="tran $(awk -v duration="$duration" 'BEGIN { print duration / 1000 }') $duration" vectors='v(out)' table=step.csv
        header=time_s,voltage_v ;;
    *) fail "there is no analysis '$analysis'; use ac or tran" ;;
esac

cat >measure.cir <<COMMANDS
* the measurement
.control
source $input/circuit.cir
$command
set wr_singlescale
set numdgt=9
wrdata measured.txt $vectors
quit 0
.endc
.end
COMMANDS
rm -f measured.txt
ngspice -n -b measure.cir >"$output/ngspice.log" 2>&1 || fail "ngspice ended with exit code $?; it said:"

# ngspice goes on after an error and may end with 0; it also mends a line that it can't read, and computes another circuit.
if grep -Eq '^(Error|ERROR)|(failed|aborted)( -)?$|interrupted due to error|Unusual leading char|resistance to low' "$output/ngspice.log"; then
    fail "ngspice could not simulate the circuit; it said:"
fi
[ -s measured.txt ] || fail "ngspice wrote no result; does the circuit have a node called out? It said:"
if grep -Eqi 'nan|inf' measured.txt; then fail "the result is not a number; it said:"; fi

{ echo "$header" && awk -v OFS=, '{ $1 = $1; print }' measured.txt; } >"$output/$table" &&
    awk -F, -f "measure_$analysis.awk" "$output/$table" >"$output/result.json" || fail "the results could not be written"
