# Fits the structure of $1 to $1/input_gr.dat. Writes xyz_final.xyz, gr.csv, trace.csv and result.json into $2.
export LC_ALL=C # decimal points, whatever the host's language
cd "$1" && exec ../hrmc "../$2"
