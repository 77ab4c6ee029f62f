# From pw.out: the total energy in pw.x's rydberg, and for each atom in electronvolt; 1 Ry = 13.605693122994 eV (CODATA 2018).
/number of atoms\/cell/ { atoms = $NF }
/number of k points=/ { points = $5 }
/^!.*total energy/ { energy = $(NF - 1) }
/convergence has been achieved/ { converged = 1; iterations = $(NF - 1) }

END {
    if (!converged || !atoms || energy == "") exit 1
    printf "{\n"
    printf " \"energy_per_atom_ev\": %.9f,\n", energy * 13.605693122994 / atoms
    printf " \"total_energy_ry\": %s,\n \"atoms\": %d,\n", energy, atoms
    printf " \"irreducible_kpoints\": %d,\n \"scf_iterations\": %d\n", points, iterations
    printf "}\n"
}
