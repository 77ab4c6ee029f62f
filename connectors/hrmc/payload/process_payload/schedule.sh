# Compiles hrmc.c; -ffp-contract=off gives the same numbers on every machine.
for compiler in cc gcc clang; do
    if command -v "$compiler" >/dev/null 2>&1; then
        exec "$compiler" -std=c99 -O2 -ffp-contract=off -o hrmc hrmc.c -lm
    fi
done
echo "there is no C compiler on $(uname -n) to compile hrmc.c with" >&2
exit 1
